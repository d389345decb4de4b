"""Endpoints over HTTP: what is asked for, what answers, what is refused."""

from collections.abc import Callable

import pytest

from melonkube.contracts.ids import new_id
from tests.serving.bundles import make_bundle
from tests.serving.conftest import Running


async def test_put_pins_a_version_and_it_answers(serving: Running) -> None:
    made = make_bundle("binary")
    serving.registry.add("adult income", made)
    answer = await serving.client.put("/api/v1/endpoints/adult", json={"model": "adult income", "version": 1})
    assert answer.status_code == 201
    first = answer.json()
    assert first["generation"] == 1
    assert first["target"] == {
        "model": "adult income",
        "version": 1,
        "alias": None,
        "state": "loading",
        "reason": None,
    }
    endpoint = await serving.rested("adult")
    assert endpoint["state"] == "ready"
    assert endpoint["target"]["state"] == "ready"
    assert (endpoint["model"], endpoint["version"], endpoint["digest"]) == ("adult income", 1, made.digest)
    assert endpoint["generation"] == endpoint["observed_generation"] == 1
    assert serving.registry.references == {"endpoint:adult": {"model": "adult income", "version": 1}}
    predicted = await serving.predict("adult", *made.instances[:3])
    assert predicted.status_code == 200, predicted.text
    body = predicted.json()
    assert body["model"] == "adult income"
    assert body["digest"] == made.digest
    assert body["warnings"] == []
    assert [set(row) for row in body["probabilities"]] == [{"no", "yes"}] * 3


async def test_put_again_counts_and_repeating_it_keeps_the_model(serving: Running) -> None:
    serving.registry.add("m", make_bundle())
    await serving.deploy("e", model="m", version=1)
    served = serving.live("e").served
    answer = await serving.client.put("/api/v1/endpoints/e", json={"model": "m", "version": 1})
    assert answer.status_code == 200
    endpoint = await serving.rested("e")
    assert endpoint["generation"] == endpoint["observed_generation"] == 2
    assert serving.live("e").served is served


async def test_put_with_an_experiment_registers_its_winner(serving: Running) -> None:
    identity, run_id = new_id(), new_id()
    serving.tuner.experiments[identity] = ("search", None)
    early = await serving.client.put("/api/v1/endpoints/e", json={"experiment_id": identity})
    assert early.status_code == 409
    assert early.json()["code"] == "no_completed_trial"
    assert (await serving.client.get("/api/v1/endpoints/e")).status_code == 404
    serving.tuner.experiments[identity] = ("search", run_id)
    serving.registry.runs[run_id] = make_bundle()
    for generation in (1, 2):
        endpoint = await serving.deploy("e", experiment_id=identity)
        assert (endpoint["model"], endpoint["version"], endpoint["generation"]) == ("search", 1, generation)
        assert endpoint["experiment_id"] == identity
    assert serving.registry.aliases == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model": "m"},
        {"model": "m", "version": 1, "alias": "a"},
        {"version": 1},
        {"model": "m", "version": 0},
        {"model": "m", "version": "1x"},
        {"experiment_id": "not an id"},
        {"experiment_id": "019350a0-0000-7000-8000-000000000000", "model": "m"},
        {"model": "m", "version": 1, "colour": "red"},
        {"model": "a/b", "version": 1},
        {"model": "nul\x00", "version": 1},
    ],
)
async def test_put_refuses_what_is_not_a_target(serving: Running, body: dict[str, object]) -> None:
    answer = await serving.client.put("/api/v1/endpoints/e", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"


@pytest.mark.parametrize("name", ["Upper", "under_score", "-x", "x-", "a" * 64, "한"])
async def test_put_refuses_a_name_that_is_no_label(serving: Running, name: str) -> None:
    answer = await serving.client.put(f"/api/v1/endpoints/{name}", json={"model": "m", "version": 1})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "body",
    [{"model": "m", "version": 7}, {"model": "m", "alias": "none"}, {"model": "other", "version": 1}],
)
async def test_put_of_something_unknown_is_404_and_writes_nothing(serving: Running, body: dict[str, object]) -> None:
    serving.registry.add("m", make_bundle())
    answer = await serving.client.put("/api/v1/endpoints/e", json=body)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert (await serving.client.get("/api/v1/endpoints/e")).status_code == 404
    assert serving.registry.references == {}


async def test_put_while_the_registry_is_away_is_502_and_writes_nothing(serving: Running) -> None:
    serving.registry.gate.up = False
    answer = await serving.client.put("/api/v1/endpoints/e", json={"model": "m", "version": 1})
    assert answer.status_code == 502
    assert answer.json()["code"] == "upstream_unavailable"
    assert (await serving.client.get("/api/v1/endpoints/e")).status_code == 404


async def test_unknown_endpoints_are_404(serving: Running) -> None:
    client = serving.client
    for answer in (
        await client.get("/api/v1/endpoints/none"),
        await client.delete("/api/v1/endpoints/none"),
        await client.get("/api/v1/endpoints/none/schema"),
        await serving.predict("none", {}),
        await serving.predict("NoLabel", {}),
    ):
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"


async def test_delete_ends_answers_and_gives_up_references(serving: Running) -> None:
    serving.registry.add("m", make_bundle())
    await serving.deploy("e", model="m", version=1)
    assert (await serving.client.delete("/api/v1/endpoints/e")).status_code == 204
    assert (await serving.client.get("/api/v1/endpoints/e")).status_code == 404
    assert (await serving.predict("e", {})).status_code == 404
    await serving.reconciler.release_due()
    assert serving.registry.references == {}


async def test_references_are_given_up_when_the_registry_is_back(serving: Running) -> None:
    serving.registry.add("m", make_bundle())
    await serving.deploy("e", model="m", version=1)
    await serving.deploy("kept", model="m", version=1)
    serving.registry.gate.up = False
    assert (await serving.client.delete("/api/v1/endpoints/e")).status_code == 204
    assert "endpoint:e" in serving.registry.references
    serving.registry.gate.up = True
    await serving.reconciler.release_due()
    assert set(serving.registry.references) == {"endpoint:kept"}


async def test_an_endpoint_made_again_keeps_its_references(serving: Running) -> None:
    serving.registry.add("m", make_bundle())
    serving.registry.gate.up = True
    await serving.deploy("e", model="m", version=1)
    await serving.client.delete("/api/v1/endpoints/e")
    endpoint = await serving.deploy("e", model="m", version=1)
    assert endpoint["generation"] == 1
    await serving.reconciler.release_due()
    assert "endpoint:e" in serving.registry.references


async def test_list_goes_by_name_page_by_page(serving: Running) -> None:
    serving.registry.add("m", make_bundle())
    for name in ("c", "a", "b"):
        await serving.put(name, model="m", version=1)
    first = (await serving.client.get("/api/v1/endpoints?limit=2")).json()
    assert [item["name"] for item in first["items"]] == ["a", "b"]
    rest = (await serving.client.get(f"/api/v1/endpoints?limit=2&cursor={first['next_cursor']}")).json()
    assert [item["name"] for item in rest["items"]] == ["c"]
    assert rest["next_cursor"] is None
    assert (await serving.client.get("/api/v1/endpoints?cursor=x")).status_code == 422


async def test_schema_says_what_to_send(serving: Running) -> None:
    made = make_bundle("multiclass")
    serving.registry.add("m", made)
    await serving.deploy("e", model="m", version=1)
    schema = (await serving.client.get("/api/v1/endpoints/e/schema")).json()
    assert (schema["name"], schema["model"], schema["version"]) == ("e", "m", 1)
    assert schema["signature"]["classes"] == [3, 5, 9]
    assert (await serving.predict("e", schema["input_example"])).status_code == 200


async def test_another_workspace_sees_nothing(serving: Running, make_token: Callable[..., str]) -> None:
    serving.registry.add("m", make_bundle())
    await serving.deploy("e", model="m", version=1)
    other = {"Authorization": f"Bearer {make_token('serving', workspace_id=new_id())}"}
    client = serving.client
    body = {"instances": [dict(make_bundle().instances[0])]}
    for answer in (
        await client.get("/api/v1/endpoints/e", headers=other),
        await client.get("/api/v1/endpoints/e/schema", headers=other),
        await client.delete("/api/v1/endpoints/e", headers=other),
        await client.post("/api/v1/endpoints/e/predict", json=body, headers=other),
    ):
        assert answer.status_code == 404
    assert (await client.get("/api/v1/endpoints", headers=other)).json()["items"] == []


async def test_calls_need_a_token_that_allows_them(serving: Running, make_token: Callable[..., str]) -> None:
    client = serving.client
    for token, status in (
        ("", 401),
        ("Bearer x", 401),
        (f"Bearer {make_token('registry')}", 401),
        (f"Bearer {make_token('serving', scope='worker')}", 403),
    ):
        headers = {"Authorization": token}
        assert (await client.get("/api/v1/endpoints", headers=headers)).status_code == status
        answer = await client.post("/api/v1/endpoints/e/predict", json={"instances": [{}]}, headers=headers)
        assert answer.status_code == status


async def test_the_document_names_every_call_and_the_body_of_predict(serving: Running) -> None:
    document = (await serving.client.get("/openapi.json")).json()
    ids = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    assert ids == {
        "put_endpoint",
        "list_endpoints",
        "get_endpoint",
        "delete_endpoint",
        "get_endpoint_schema",
        "predict",
    }
    assert {"PredictRequest", "PredictAnswer", "Endpoint", "Problem"} <= set(document["components"]["schemas"])
    call = document["paths"]["/api/v1/endpoints/{name}/predict"]["post"]
    reference = call["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert reference == "#/components/schemas/PredictRequest"
