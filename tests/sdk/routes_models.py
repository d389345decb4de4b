"""What the stand-in answers about runs, models and endpoints."""

import json
from typing import Any

from tests.sdk.routes import BASE, SIGNATURE
from tests.sdk.standin import NOW, Recorded, Refused, Reply, Standin, found, page, route, sha256


@route("POST", f"{BASE}/runs")
def create_run(standin: Standin, request: Recorded, _parts: tuple[str, ...]) -> Reply:
    body = request.json()
    identity = body.setdefault("id", standin.new_id())
    empty = {"state": "running", "params": {}, "tags": {}, "metrics": {}, "created_at": NOW}
    known = standin.runs.setdefault(identity, {**empty, **body})
    return Reply(201, known)


@route("GET", f"{BASE}/runs")
def list_runs(standin: Standin, request: Recorded, _parts: tuple[str, ...]) -> Reply:
    wanted = request.query.get("experiment_id")
    return page([one for one in standin.runs.values() if wanted in (None, one.get("experiment_id"))], request.query)


@route("GET", f"{BASE}/runs/*")
def get_run(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    standin.on_poll(request.path)
    return Reply(body=found(standin.runs, parts[0]))


@route("DELETE", f"{BASE}/runs/*")
def delete_run(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    found(standin.runs, parts[0])
    del standin.runs[parts[0]]
    return Reply(204)


@route("POST", f"{BASE}/runs/*/metrics")
def add_metrics(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    known = {(one["name"], one["step"]): one for one in standin.points.get(parts[0], [])}
    for point in request.json()["points"]:
        known[point["name"], point["step"]] = {"at": NOW, **point}
        standin.runs[parts[0]]["metrics"][point["name"]] = point["value"]
    standin.points[parts[0]] = [*known.values()]
    return Reply(204)


@route("GET", f"{BASE}/runs/*/metrics")
def get_metrics(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    known = standin.points.get(parts[0], [])
    names = dict.fromkeys(one["name"] for one in known)
    series = [{"name": name, "points": [one for one in known if one["name"] == name]} for name in names]
    return Reply(body={"items": series})


@route("POST", f"{BASE}/runs/*/logs")
def add_logs(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    known = standin.lines.setdefault(parts[0], [])
    seen = {one["seq"] for one in known}
    known += [line for line in request.json()["lines"] if line["seq"] not in seen]
    standin.on_poll(request.path)
    return Reply(204)


@route("GET", f"{BASE}/runs/*/logs")
def get_logs(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    lines = standin.lines.get(parts[0], [])
    return page([{"level": "info", "at": NOW, **line} for line in lines], request.query)


@route("GET", f"{BASE}/runs/*/artifacts")
def list_artifacts(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    return page([_artifact(standin, *key) for key in standin.artifacts if key[0] == parts[0]], request.query)


@route("PUT", f"{BASE}/runs/*/artifacts/**")
def put_artifact(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    if request.headers["x-content-sha256"] != sha256(request.body):
        raise Refused(422, "checksum_mismatch", "The bytes that arrived are not those announced.")
    if parts[1].endswith(".pkl"):
        raise Refused(422, "unsafe_artifact", "Pickle files are not taken: they run code when they are read.")
    standin.artifacts[parts[0], parts[1]] = request.body
    return Reply(201, _artifact(standin, *parts))


@route("GET", f"{BASE}/runs/*/artifacts/**")
def get_artifact(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    return Reply(content=standin.artifacts[parts[0], parts[1]])


def _artifact(standin: Standin, run_id: str, path: str) -> dict[str, Any]:
    known = standin.artifacts[run_id, path]
    said = {"path": path, "size_bytes": len(known), "sha256": sha256(known)}
    return {**said, "content_type": "text/plain", "created_at": NOW}


@route("POST", f"{BASE}/runs/*/finish")
def finish(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    standin.runs[parts[0]].update(request.json(), finished_at=NOW)
    return Reply(body=standin.runs[parts[0]])


def make_model(standin: Standin, name: str, versions: int = 1, **aliases: int) -> None:
    standin.models[name] = {
        "name": name,
        "description": "",
        "latest_version": versions or None,
        "versions": versions,
        "aliases": aliases,
        "created_at": NOW,
    }


def version(model: str, number: int) -> dict[str, Any]:
    return {
        "model": model,
        "version": number,
        "digest": "d" * 64,
        "flavor": "lightgbm",
        "size_bytes": 10,
        "signature": SIGNATURE,
        "input_example": {},
        "lineage": {"run_id": "01900000-0000-7000-8000-000000000001"},
        "created_at": NOW,
    }


@route("POST", f"{BASE}/models")
def create_model(standin: Standin, request: Recorded, _parts: tuple[str, ...]) -> Reply:
    name = request.json()["name"]
    if name in standin.models:
        raise Refused(409, "name_taken", f"There is a model {name!r}.")
    make_model(standin, name, 0)
    return Reply(201, standin.models[name])


@route("GET", f"{BASE}/models")
def list_models(standin: Standin, request: Recorded, _parts: tuple[str, ...]) -> Reply:
    return page([*standin.models.values()], request.query)


@route("GET", f"{BASE}/models/*")
def get_model(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    return Reply(body=found(standin.models, parts[0]))


@route("DELETE", f"{BASE}/models/*")
def delete_model(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    found(standin.models, parts[0])
    if any(one["target"]["model"] == parts[0] for one in standin.endpoints.values()):
        raise Refused(409, "in_use", "An endpoint answers with this model; delete or move that first.")
    del standin.models[parts[0]]
    return Reply(204)


@route("GET", f"{BASE}/models/*/versions")
def list_versions(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    known = found(standin.models, parts[0])
    return page([version(parts[0], number) for number in range(known["versions"], 0, -1)], request.query)


@route("POST", f"{BASE}/models/*/versions")
def register(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    request.json()["run_id"]
    known = standin.models.get(parts[0])
    make_model(standin, parts[0], 1 if known is None else known["versions"] + 1)
    return Reply(201, version(parts[0], standin.models[parts[0]]["versions"]))


@route("GET", f"{BASE}/models/*/versions/*")
def get_version(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    if int(parts[1]) > found(standin.models, parts[0])["versions"]:
        raise Refused(404, "not_found", f"Model {parts[0]!r} has no version {parts[1]}.")
    return Reply(body=version(parts[0], int(parts[1])))


@route("DELETE", f"{BASE}/models/*/versions/*")
def delete_version(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    found(standin.models, parts[0])["versions"] -= 1
    return Reply(204)


@route("GET", f"{BASE}/models/*/versions/*/download")
def download(_standin: Standin, _request: Recorded, _parts: tuple[str, ...]) -> Reply:
    return Reply(content=b"PK-the-bundle")


@route("GET", f"{BASE}/models/*/versions/*/files/**")
def read_file(_standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    return Reply(content=json.dumps({"file": parts[2]}).encode())


@route("GET", f"{BASE}/models/*/aliases")
def list_aliases(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    known = found(standin.models, parts[0])
    return page([_alias(parts[0], name, number) for name, number in known["aliases"].items()], request.query)


@route("GET", f"{BASE}/models/*/aliases/*")
def get_alias(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    known = found(standin.models, parts[0])["aliases"]
    if parts[1] not in known:
        raise Refused(404, "not_found", f"Model {parts[0]!r} has no alias {parts[1]!r}.")
    return Reply(body=_alias(parts[0], parts[1], known[parts[1]]))


@route("PUT", f"{BASE}/models/*/aliases/*")
def put_alias(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    found(standin.models, parts[0])["aliases"][parts[1]] = request.json()["version"]
    return Reply(body=_alias(parts[0], parts[1], request.json()["version"]))


@route("DELETE", f"{BASE}/models/*/aliases/*")
def delete_alias(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    del found(standin.models, parts[0])["aliases"][parts[1]]
    return Reply(204)


def _alias(model: str, alias: str, number: int) -> dict[str, Any]:
    return {"model": model, "alias": alias, "version": number, "updated_at": NOW}


@route("PUT", f"{BASE}/endpoints/*")
def put_endpoint(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    body = request.json()
    if "experiment_id" in body:
        experiment = found(standin.experiments, body["experiment_id"])
        if experiment.get("best") is None:
            raise Refused(409, "no_completed_trial", "No trial is completed yet; wait for the first.")
        make_model(standin, experiment["name"])
        body = {"model": experiment["name"], "version": 1}
    generation = standin.endpoints.get(parts[0], {"generation": 0})["generation"] + 1
    standin.endpoints[parts[0]] = {
        "name": parts[0],
        "state": "loading",
        "generation": generation,
        "observed_generation": generation - 1,
        "target": {
            "model": body["model"],
            "version": body.get("version"),
            "alias": body.get("alias"),
            "state": "loading",
        },
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Reply(200, standin.endpoints[parts[0]])


def load(endpoint: dict[str, Any]) -> None:
    """Let what an endpoint was asked for answer."""
    target = endpoint["target"]
    target.update(state="ready", version=target["version"] or 1)
    endpoint.update(state="ready", model=target["model"], version=target["version"], digest="d" * 64)
    endpoint["observed_generation"] = endpoint["generation"]


@route("GET", f"{BASE}/endpoints")
def list_endpoints(standin: Standin, request: Recorded, _parts: tuple[str, ...]) -> Reply:
    return page([*standin.endpoints.values()], request.query)


@route("GET", f"{BASE}/endpoints/*")
def get_endpoint(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    standin.on_poll(request.path)
    return Reply(body=found(standin.endpoints, parts[0]))


@route("DELETE", f"{BASE}/endpoints/*")
def delete_endpoint(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    found(standin.endpoints, parts[0])
    del standin.endpoints[parts[0]]
    return Reply(204)


@route("GET", f"{BASE}/endpoints/*/schema")
def schema(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    known = found(standin.endpoints, parts[0])
    example = {"나이": 41, "size": 0.5, "city": "서울", "member": True, "day": "2026-01-02"}
    said = {"name": parts[0], "model": known["model"] or "m", "version": known["version"] or 1}
    return Reply(body={**said, "signature": standin.signature or SIGNATURE, "input_example": example})


@route("POST", f"{BASE}/endpoints/*/predict")
def predict(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    standin.on_poll(request.path)
    known = found(standin.endpoints, parts[0])
    rows = request.json()["instances"]
    faults = [
        {"pointer": f"/instances/{number}/size", "code": "wrong_type", "detail": "must be a number or null"}
        for number, row in enumerate(rows)
        if isinstance(row.get("size"), str)
    ]
    if faults:
        raise Refused(422, "invalid_instances", "Some instances are not valid.", faults)
    answer: dict[str, Any] = {"model": known["model"], "version": known["version"], "digest": known["digest"]}
    if (standin.signature or SIGNATURE)["task"] == "regression":
        return Reply(body={**answer, "predictions": [0.5 for _ in rows], "probabilities": None, "warnings": []})
    shares = [{"no": 0.25, "yes": 0.75} if row.get("member") else {"no": 0.75, "yes": 0.25} for row in rows]
    answer["predictions"] = ["yes" if share["yes"] > 0.5 else "no" for share in shares]
    unseen = [row["city"] for row in rows if row.get("city") not in ("서울", "부산", None)]
    warnings = [f"'city': {city!r} was never seen in training and is taken as missing." for city in unseen]
    return Reply(body={**answer, "probabilities": shares, "warnings": warnings})
