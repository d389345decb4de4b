"""How the whole is doing, and the one document."""

import json
from pathlib import Path
from typing import Any

import pytest

from melonkube.gateway.apidoc.merge import MergeError, merge
from scripts.openapi import TARGET, make_document
from tests.gateway.process import GatewayProcess
from tests.gateway.upstream import Upstream


def document(path: str = "/api/v1/a", operation: str = "get_a", **schemas: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{next(iter(schemas), 'A')}"}}}
    answer: dict[str, Any] = {"description": "ok"} if not schemas else {"description": "ok", "content": content}
    return {
        "paths": {path: {"get": {"operationId": operation, "tags": ["a"], "responses": {"200": answer}}}},
        "components": {"schemas": schemas},
    }


def test_services_are_told_apart(gateway: GatewayProcess, upstream: Upstream) -> None:
    assert gateway.http.get("/readyz").json() == {"status": "ready"}
    system = gateway.http.get("/api/v1/system").json()
    assert [(service["name"], service["ready"]) for service in system["services"]] == [
        ("gateway", True),
        ("registry", True),
        ("tuner", True),
        ("serving", True),
    ]
    assert system["workers"] == 7
    assert system["version"]
    assert system["started_at"].endswith("Z")


def test_a_service_that_is_not_ready_says_why(gateway: GatewayProcess, upstream: Upstream) -> None:
    upstream.ready = False
    answer = gateway.http.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "registry: The database does not answer." in answer.json()["detail"]
    services = gateway.http.get("/api/v1/system").json()["services"]
    assert {"name": "tuner", "ready": False, "detail": "The database does not answer."} in services


def test_the_document_of_the_running_services(gateway: GatewayProcess, upstream: Upstream) -> None:
    # One upstream plays all three, so that what it describes is claimed thrice.
    upstream.document = {"paths": {"/internal/changes": {"get": {"operationId": "internal"}}}}
    described = gateway.http.get("/api/openapi.json").json()
    assert list(described["paths"]) == ["/api/v1/system"]
    assert described["info"]["title"] == "MelonKube"
    assert {"System", "Problem"} <= described["components"]["schemas"].keys()


def test_no_document_while_a_service_is_away(tmp_path: Path, upstream: Upstream) -> None:
    with GatewayProcess(tmp_path, {"registry": upstream.url, "tuner": upstream.url}) as gateway:
        answer = gateway.http.get("/api/openapi.json")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert "serving" in answer.json()["detail"]


def test_only_what_people_may_call_is_described() -> None:
    shared = {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/B"}}}
    merged = merge(
        {
            "registry": document(A=shared, B={"type": "string"}, Unused={"type": "null"}),
            "tuner": {
                "paths": {
                    "/worker/v1/lease": {"post": {"operationId": "lease"}},
                    **document("/api/v1/c", "get_c", A=shared)["paths"],
                },
                "components": {"schemas": {"A": shared, "B": {"type": "string"}, "Lease": {}}},
            },
        }
    )
    assert list(merged["paths"]) == ["/api/v1/a", "/api/v1/c"]
    assert list(merged["components"]["schemas"]) == ["A", "B"]
    assert merged["tags"] == [{"name": "a"}]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (document(), "GET /api/v1/a is claimed by b"),
        (document("/api/v1/b"), "operation id get_a is claimed by b and by a"),
        (document("/api/v1/b", "get_b", A={"type": "integer"}), "schema A of b differs"),
    ],
)
def test_contradictions_are_named(second: dict[str, Any], said: str) -> None:
    with pytest.raises(MergeError, match=said):
        merge({"a": document(A={"type": "string"}), "b": second})


def test_a_schema_that_is_missing_is_named() -> None:
    broken = document(A={"$ref": "#/components/schemas/Gone"})
    with pytest.raises(MergeError, match="Gone is used but not described"):
        merge({"a": broken})


def test_the_document_in_the_repository_is_the_one_of_the_code() -> None:
    assert TARGET.read_text(encoding="utf-8") == make_document(), "run `make api` and commit what it writes"


def test_the_whole_document_is_fit_for_clients() -> None:
    described = json.loads(make_document())
    operations = [operation for item in described["paths"].values() for operation in item.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name == name.lower() for name in names)
    known = {tag["name"] for tag in described["tags"]}
    assert all("description" in tag for tag in described["tags"])
    for operation in operations:
        assert operation["tags"], operation["operationId"]
        assert set(operation["tags"]) <= known
        assert operation["responses"]["default"]["content"].keys() == {"application/problem+json"}
    assert not [path for path in described["paths"] if not path.startswith("/api/v1/")]
    assert described["components"]["schemas"]["Problem"]["properties"]["code"]["type"] == "string"
