"""What only the whole can show: the one document, the request id on its whole way, memory in a large upload."""

import json
from pathlib import Path

import httpx
import psutil
import pytest

from melonkube.contracts.ids import new_id
from melonkube.suite.embedded import Suite
from tests.e2e.api import Api, table

pytestmark = pytest.mark.e2e


def test_every_service_is_healthy_and_measured(suite: Suite, api: Api) -> None:
    assert api.http.get("/readyz").status_code == 200
    system = api.get("/api/v1/system")
    assert {service["name"] for service in system["services"] if service["ready"]} >= {"registry", "tuner", "serving"}
    assert "http_server_request_duration_seconds" in api.http.get("/metrics").text


def test_one_request_id_from_the_client_to_the_services(suite: Suite, api: Api) -> None:
    identity = f"e2e-{new_id()}"
    dataset = api.upload(table(300, seed=51), "traced")
    answer = api.http.post(
        "/api/v1/experiments",
        json={"dataset_id": dataset["id"], "target": "y", "name": "traced", "budget": {"max_trials": 2}},
        headers={"X-Request-Id": identity},
    )
    assert answer.headers["x-request-id"] == identity
    done = api.wait(answer.json()["id"])
    logs = "".join(path.read_text() for path in Path(suite.data_dir, "logs").glob("*.log"))
    told = {
        entry["service"]
        for line in logs.splitlines()
        if identity in line
        for entry in [json.loads(line)]
        if "service" in entry
    }
    assert {"gateway", "tuner", "registry"} <= told
    assert done["best"] is not None
    run = api.get(f"/api/v1/runs/{done['best']['run_id']}/logs")
    assert run["items"]


def test_a_large_upload_at_flat_memory(suite: Suite, api: Api, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    block = b"".join(b"%d,%d.5,red,2025-01-%02d\n" % (n, n * 7, n % 28 + 1) for n in range(100_000, 150_000))
    with path.open("wb") as file:
        file.write(b"a,b,c,d\n")
        while file.tell() < 300 << 20:
            file.write(block)
    watched = {name: psutil.Process(pid) for name, pid in suite.pids().items() if name in ("gateway", "registry")}
    before = {name: process.memory_info().rss for name, process in watched.items()}
    peak = dict(before)

    def body() -> object:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                for name, process in watched.items():
                    peak[name] = max(peak[name], process.memory_info().rss)
                yield piece

    boundary = "melonboundary"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="name"\r\n\r\nlarge\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="large.csv"\r\n\r\n'
    ).encode()

    def multipart() -> object:
        yield head
        yield from body()  # type: ignore[misc]
        yield f"\r\n--{boundary}--\r\n".encode()

    answer = api.http.post(
        "/api/v1/datasets",
        content=multipart(),  # type: ignore[arg-type]
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
        timeout=httpx.Timeout(300),
    )
    assert answer.status_code == 201, answer.text
    dataset = answer.json()
    assert dataset["size_bytes"] == path.stat().st_size
    for name in watched:
        assert peak[name] - before[name] < 150 << 20, (name, before, peak)


def test_a_page_elsewhere_cannot_drive_it(api: Api) -> None:
    for headers, code in (
        ({"Host": "evil.example"}, "host_not_allowed"),
        ({"Origin": "http://evil.example"}, "origin_not_allowed"),
    ):
        answer = api.http.post("/api/v1/samples/flights", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, code)


def test_the_document_is_one_and_whole(api: Api) -> None:
    document = api.get("/api/openapi.json")
    operations = [
        operation["operationId"]
        for path in document["paths"].values()
        for method, operation in path.items()
        if method in ("get", "put", "post", "delete", "patch")
    ]
    assert len(operations) == len(set(operations))
    for path in ("/api/v1/datasets", "/api/v1/experiments", "/api/v1/endpoints/{name}/predict", "/api/v1/models"):
        assert path in document["paths"], path
    assert not [path for path in document["paths"] if path.startswith(("/internal", "/worker"))]


def test_the_page_is_served(api: Api) -> None:
    for path in ("/", "/experiments", "/datasets/abc"):
        answer = api.http.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert "content-security-policy" in answer.headers
