"""What the stand-in answers at each address."""

import json
from typing import Any

from tests.sdk.standin import NOW, Recorded, Refused, Reply, Standin, found, page, parse_multipart, route, sha256

BASE = "/api/v1"


def column(name: str, dtype: str = "float64", kind: str = "numeric", role: str = "feature") -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "kind": kind, "role": role}


SIGNATURE: dict[str, Any] = {
    "task": "binary",
    "target": column("y", "string", "categorical", "target"),
    "features": [
        column("나이", "int64"),
        column("size"),
        column("city", "string", "categorical"),
        column("member", "boolean", "boolean"),
        column("day", "timestamp", "datetime"),
    ],
    "classes": ["no", "yes"],
    "ignored": ["id"],
}


@route("GET", f"{BASE}/system")
def system(standin: Standin, _request: Recorded, _parts: tuple[str, ...]) -> Reply:
    return Reply(body={"version": "0.1.0", "services": standin.services, "workers": 2, "started_at": NOW})


@route("POST", f"{BASE}/datasets")
def upload(standin: Standin, request: Recorded, _parts: tuple[str, ...]) -> Reply:
    key = request.headers["idempotency-key"]
    if key in standin.keys:
        return Reply(200, standin.datasets[standin.keys[key]])
    if standin.discard_uploads:
        name, file_name, content = "large", "large.csv", b""
    else:
        parts = parse_multipart(request)
        said, content = parts["file"]
        file_name = said["filename"]
        name = parts["name"][1].decode() if "name" in parts else file_name.rsplit(".", 1)[0]
        if not content:
            raise Refused(422, "empty_file", "The file is empty; send one with a header and rows.")
    return make_dataset(standin, name, file_name, content, key, wait="prefer" not in request.headers)


def make_dataset(standin: Standin, name: str, file_name: str, content: bytes, key: str, *, wait: bool = True) -> Reply:
    for known in standin.datasets.values():
        if known["name"] == name and known["sha256"] == sha256(content) and content:
            return Reply(200, known)
    identity = standin.new_id()
    standin.keys[key] = identity
    standin.contents[identity] = content
    parquet = b"PAR1" + content
    versions = [one["version"] for one in standin.datasets.values() if one["name"] == name]
    standin.datasets[identity] = {
        "id": identity,
        "name": name,
        "version": max(versions, default=0) + 1,
        "state": "ready" if wait else "parsing",
        "rows": 3,
        "sha256": sha256(content),
        "size_bytes": len(content),
        "format": "csv",
        "encoding": "utf-8",
        "file_name": file_name,
        "parquet_sha256": sha256(parquet),
        "parquet_bytes": len(parquet),
        "columns": [*SIGNATURE["features"], column("id", "string", "text", "id")],
        "created_at": NOW,
    }
    return Reply(201 if wait else 202, standin.datasets[identity])


@route("GET", f"{BASE}/datasets")
def list_datasets(standin: Standin, request: Recorded, _parts: tuple[str, ...]) -> Reply:
    wanted = request.query.get("name")
    return page([one for one in reversed(standin.datasets.values()) if wanted in (None, one["name"])], request.query)


@route("GET", f"{BASE}/datasets/*")
def get_dataset(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    standin.on_poll(request.path)
    return Reply(body=found(standin.datasets, parts[0]))


@route("DELETE", f"{BASE}/datasets/*")
def delete_dataset(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    found(standin.datasets, parts[0])
    if any(one["dataset_id"] == parts[0] for one in standin.experiments.values()):
        raise Refused(409, "in_use", "An experiment depends on this data set; delete that first.")
    del standin.datasets[parts[0]]
    return Reply(204)


@route("GET", f"{BASE}/datasets/*/preview")
def preview(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    found(standin.datasets, parts[0])
    rows = [[1, None, "서울"], [2, 0.5, "부산"]][: int(request.query["limit"])]
    return Reply(body={"columns": ["나이", "size", "city"], "rows": rows, "total_rows": 3})


@route("GET", f"{BASE}/datasets/*/profile")
def profile(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    found(standin.datasets, parts[0])
    one = {"name": "나이", "count": 3, "missing": 1, "distinct": 2, "min": 1, "max": 2}
    return Reply(body={"dataset_id": parts[0], "rows": 3, "columns": [one]})


@route("GET", f"{BASE}/datasets/*/content")
def content(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    return Reply(content=standin.contents[parts[0]])


@route("GET", f"{BASE}/datasets/*/parquet")
def parquet(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    return Reply(content=b"PAR1" + standin.contents[parts[0]])


@route("GET", f"{BASE}/samples")
def samples(_standin: Standin, request: Recorded, _parts: tuple[str, ...]) -> Reply:
    one = {"name": "flights", "title": "Flights", "description": "", "target": "late", "rows": 3}
    return page([{**one, "source": "BTS", "licence": "public domain"}], request.query)


@route("POST", f"{BASE}/samples/*")
def load_sample(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    if parts[0] != "flights":
        raise Refused(404, "not_found", f"There is no sample {parts[0]!r}.")
    return make_dataset(standin, "flights", "flights.csv", b"a\n1\n", f"sample-{parts[0]}")


@route("POST", f"{BASE}/experiments")
def create_experiment(standin: Standin, request: Recorded, _parts: tuple[str, ...]) -> Reply:
    key = request.headers["idempotency-key"]
    if key in standin.keys:
        return Reply(200, standin.experiments[standin.keys[key]])
    body = request.json()
    dataset = found(standin.datasets, body["dataset_id"])
    if body["target"] == "constant":
        raise Refused(422, "target_constant", "The target has one value in every row; choose another column.")
    name = body.get("name") or f"{dataset['name']}-{len(standin.experiments) + 1}"
    if any(one["name"] == name for one in standin.experiments.values()):
        raise Refused(409, "name_taken", f"There is an experiment {name!r}; choose another name.")
    identity = standin.new_id()
    standin.keys[key] = identity
    budget = body.get("budget", {"max_trials": 50})
    standin.experiments[identity] = {
        "id": identity,
        "name": name,
        "state": "running",
        "phase": "searching",
        "dataset_id": dataset["id"],
        "dataset_name": dataset["name"],
        "dataset_version": dataset["version"],
        "target": body["target"],
        "task": "binary",
        "metric": body.get("metric", "auc"),
        "direction": "minimize" if body.get("metric") == "logloss" else "maximize",
        "trainer": "lightgbm",
        "algorithm": body.get("algorithm", "tpe"),
        "search_space": body.get("search_space", {"num_leaves": {"type": "int", "low": 8, "high": 64}}),
        "columns": [],
        "split": {"method": "stratified", "seed": 1, "train": 1, "validation": 1, "holdout": 1, "excluded": 0},
        "seed": body.get("seed", 1),
        "parallelism": 2,
        "trials_per_worker": "auto",
        "budget": budget,
        "trials": {"total": budget.get("max_trials")},
        "elapsed_seconds": 1.5,
        "remaining_seconds": 60.0,
        "run_id": standin.new_id(),
        "last_event": 0,
        "created_at": NOW,
    }
    standin.emit(identity, "experiment", dict(standin.experiments[identity]))
    return Reply(201, standin.experiments[identity])


def trial(experiment_id: str, number: int, value: float | None, state: str = "completed") -> dict[str, Any]:
    return {
        "id": f"01900000-0000-7000-8000-1{number:011d}",
        "experiment_id": experiment_id,
        "number": number,
        "state": state,
        "source": "tpe",
        "value": value,
        "params": {"num_leaves": 8 * number, "boosting": "gbdt"},
        "attempt": 1,
        "run_id": None,
        "created_at": NOW,
        "duration_seconds": 10.0 / number,
    }


def result(number: int, value: float, holdout: float | None = None) -> dict[str, Any]:
    identity = f"01900000-0000-7000-8000-1{number:011d}"
    params = {"num_leaves": 8 * number}
    found = {"number": number, "trial_id": identity, "value": value, "holdout_value": holdout}
    return {**found, "params": params, "run_id": identity}


@route("GET", f"{BASE}/experiments")
def list_experiments(standin: Standin, request: Recorded, _parts: tuple[str, ...]) -> Reply:
    wanted = request.query.get("name")
    return page([one for one in reversed(standin.experiments.values()) if wanted in (None, one["name"])], request.query)


@route("GET", f"{BASE}/experiments/*")
def get_experiment(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    standin.on_poll(request.path)
    return Reply(body=found(standin.experiments, parts[0]))


@route("DELETE", f"{BASE}/experiments/*")
def delete_experiment(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    found(standin.experiments, parts[0])
    del standin.experiments[parts[0]]
    return Reply(204)


@route("POST", f"{BASE}/experiments/*/*")
def steer(standin: Standin, _request: Recorded, parts: tuple[str, ...]) -> Reply:
    experiment = found(standin.experiments, parts[0])
    if experiment["state"] in ("completed", "stopped", "failed"):
        raise Refused(409, "experiment_finished", "The experiment has ended; start a new one.")
    experiment["state"] = {"stop": "stopped", "pause": "paused", "resume": "running"}[parts[1]]
    return Reply(body=experiment)


@route("GET", f"{BASE}/experiments/*/trials")
def list_trials(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    return page(standin.trials.get(parts[0], []), request.query)


@route("GET", f"{BASE}/experiments/*/trials/*")
def get_trial(standin: Standin, request: Recorded, parts: tuple[str, ...]) -> Reply:
    standin.on_poll(request.path)
    for one in standin.trials.get(parts[0], []):
        if one["number"] == int(parts[1]):
            return Reply(body={**one, "attempts": [], "intermediate": [[0, 0.5]]})
    raise Refused(404, "not_found", f"There is no trial {parts[1]}.")


@route("POST", f"{BASE}/suggestions")
def suggest(standin: Standin, request: Recorded, _parts: tuple[str, ...]) -> Reply:
    found(standin.datasets, request.json()["dataset_id"])
    said = {"task": "binary", "metric": "auc", "metrics": ["auc", "logloss"], "columns": [], "search_space": {}}
    return Reply(body={**said, "budget": {"max_trials": 50}, "parallelism": 2})


@route("GET", f"{BASE}/algorithms")
def algorithms(_standin: Standin, _request: Recorded, _parts: tuple[str, ...]) -> Reply:
    return Reply(body={"items": [{"name": "tpe", "description": "TPE"}, {"name": "random", "description": "Random"}]})


@route("GET", f"{BASE}/trainers")
def trainers(_standin: Standin, _request: Recorded, _parts: tuple[str, ...]) -> Reply:
    return Reply(body={"items": [{"name": "lightgbm", "description": "", "tasks": ["binary"], "parameters": {}}]})


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
