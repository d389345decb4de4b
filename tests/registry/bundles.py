"""Small bundles for tests: the right files with the right digests, no model that predicts."""

import hashlib
import json
from typing import Any

import httpx

from melonkube.contracts.ids import new_id

SIGNATURE = {
    "task": "binary",
    "target": {"name": "y", "dtype": "string", "kind": "categorical", "role": "target"},
    "features": [{"name": "x", "dtype": "float64", "kind": "numeric"}],
    "classes": ["no", "yes"],
}


def bundle(salt: str = "", **changes: Any) -> dict[str, bytes]:
    """Return the files of a bundle; ``changes`` replace fields of its manifest, None removes a file."""
    files = {
        "model.txt": f"tree\n{salt}".encode(),
        "signature.json": json.dumps(SIGNATURE).encode(),
        "golden.json": json.dumps({"instances": [{"x": 1.0}], "raw_scores": [[0.5]]}).encode(),
        "input_example.json": json.dumps({"x": 1.0}).encode(),
    }
    for name in [name for name in changes if name.endswith((".json", ".txt"))]:
        files[name] = changes.pop(name)
    manifest = {
        "format_version": 1,
        "flavor": "lightgbm",
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)} for name, data in files.items()
        },
        "architecture": "x86_64",
        "golden_tolerance": 1e-9,
        **changes,
    }
    return {**files, "manifest.json": json.dumps(manifest).encode()}


async def put_bundle(
    client: httpx.AsyncClient, files: dict[str, bytes], *, finish: str | None = "completed", **run: Any
) -> str:
    """Make a run with a bundle and return its id."""
    run_id: str = (await client.post("/api/v1/runs", json={"id": new_id(), **run})).json()["id"]
    for name, data in files.items():
        answer = await client.put(f"/api/v1/runs/{run_id}/artifacts/model/{name}", content=data)
        assert answer.status_code == 201, answer.text
    if finish is not None:
        await client.post(f"/api/v1/runs/{run_id}/finish", json={"state": finish})
    return run_id


async def make_version(client: httpx.AsyncClient, model: str = "churn", salt: str = "") -> dict[str, Any]:
    """Make a model version of a new run."""
    run_id = await put_bundle(client, bundle(salt))
    answer = await client.post(f"/api/v1/models/{model}/versions", json={"run_id": run_id})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made
