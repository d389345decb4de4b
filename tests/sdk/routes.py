"""What the stand-in answers at each address."""

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


@route("GET", f"{BASE}/executor")
def executor(standin: Standin, _request: Recorded, _parts: tuple[str, ...]) -> Reply:
    return Reply(body=standin.executor)


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
        "worker": body.get("worker", {}),
        "container": body.get("container"),
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
