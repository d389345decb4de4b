"""The registry as a whole: its tables, its document, its samples, on a local folder and on S3."""

import hashlib
import json
from pathlib import Path

import httpx
import pytest

from melonkube.contracts.ids import new_id
from melonkube.registry.database import RegistryBase
from melonkube.registry.settings import StoreSettings
from tests.registry.bundles import make_version
from tests.registry.conftest import Registry, StartRegistry
from tests.registry.test_datasets import CSV, upload
from tests.support.s3 import S3Server


async def test_every_table_tells_its_workspace() -> None:
    assert [table.name for table in RegistryBase.metadata.sorted_tables if "workspace_id" not in table.c] == []


async def test_health_and_document(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200
    document = (await client.get("/openapi.json")).json()
    operations = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(operations) == len(set(operations))
    assert {"create_dataset", "list_runs", "put_run_artifact", "create_model_version", "use_sample"} <= set(operations)
    assert not [path for path in document["paths"] if path.startswith("/internal")]
    form = document["paths"]["/api/v1/datasets"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert form["schema"]["required"] == ["file"]


async def test_callers_without_a_token_are_refused(registry: Registry) -> None:
    transport = httpx.ASGITransport(registry.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as nobody:
        for method, url in (("GET", "/api/v1/datasets"), ("POST", "/api/v1/runs"), ("GET", "/internal/changes")):
            answer = await nobody.request(method, url)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


SAMPLE = {
    "name": "people",
    "title": "People",
    "description": "A few.",
    "target": "income",
    "rows": 3,
    "source": "ours",
    "licence": "CC0",
}


async def test_samples(start_registry: StartRegistry, tmp_path: Path, client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/samples")).json() == {"items": [], "next_cursor": None}
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "samples.json").write_text(json.dumps([{**SAMPLE, "file": "p.csv"}]), encoding="utf-8")
    (folder / "p.csv").write_bytes(CSV)
    person = await (await start_registry(samples_dir=folder)).client()
    assert (await person.get("/api/v1/samples")).json()["items"] == [SAMPLE]
    made = await person.post("/api/v1/samples/people")
    assert (made.status_code, made.json()["name"], made.json()["state"]) == (201, "people", "ready")
    assert made.json()["sha256"] == hashlib.sha256(CSV).hexdigest()
    again = await person.post("/api/v1/samples/people")
    assert (again.status_code, again.json()) == (200, made.json())
    assert (await person.post("/api/v1/samples/unknown")).status_code == 404


@pytest.mark.s3
async def test_everything_on_s3(start_registry: StartRegistry, s3_server: S3Server) -> None:
    bucket = f"b-{new_id()}"
    folder = s3_server.make_bucket(bucket)
    store = StoreSettings.model_validate(
        {
            "kind": "s3",
            "bucket": bucket,
            "endpoint": s3_server.endpoint,
            "region": s3_server.region,
            "access_key": s3_server.access_key,
            "secret_key": s3_server.secret_key,
        }
    )
    registry = await start_registry(store=store)
    client, service = await registry.client(), await registry.client(scope="service")
    large = b"a,b\n" + b"1,xyz\n" * 2_000_000
    dataset = (await upload(client, large)).json()
    assert (dataset["state"], dataset["rows"]) == ("ready", 2_000_000)
    base = f"/api/v1/datasets/{dataset['id']}"
    assert (await client.get(f"{base}/content")).content == large
    assert (await client.get(f"{base}/parquet", headers={"Range": "bytes=0-3"})).content == b"PAR1"
    columns = await service.get(f"/internal/datasets/{dataset['id']}/columns", params={"name": "a"})
    assert columns.status_code == 200
    assert len(columns.content) > 2_000_000 * 8
    assert (await upload(client, b"a,b\n1,2,3\n", "bad.csv")).status_code == 422
    version = await make_version(client)
    assert (await client.get("/api/v1/models/churn/versions/1/download")).status_code == 200
    assert (await client.delete("/api/v1/models/churn")).status_code == 204
    assert (await client.delete(f"/api/v1/runs/{version['lineage']['run_id']}")).status_code == 204
    assert (await client.delete(base)).status_code == 204
    await registry.app.state.parts.blobs.collect()
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert registry.blob_files() == []
