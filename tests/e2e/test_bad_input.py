"""Rubbish through the public port: a 4xx problem with a sentence and a code, and nothing left behind."""

import gzip
from typing import Any

import pytest

from tests.e2e.api import Api, table

pytestmark = pytest.mark.e2e

ABSENT = "01900000-0000-7000-8000-000000000000"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4

FILES: list[tuple[str, str, bytes, str]] = [
    ("empty", "t.csv", b"", "empty_file"),
    ("only blank lines", "t.csv", b"\n\n\n", "empty_file"),
    ("header only", "t.csv", b"a,b,c\n", "header_only"),
    ("ragged", "t.csv", b"a,b\n1,2\n3\n4,5\n", "ragged_rows"),
    ("ragged, too long", "t.csv", b"a,b\n1,2\n3,4,5\n", "ragged_rows"),
    ("duplicate columns", "t.csv", b"a,b,a\n1,2,3\n", "duplicate_column"),
    ("column without a name", "t.csv", b"a,,c\n1,2,3\n", "empty_column_name"),
    ("a picture", "t.csv", PNG, "mislabelled_file"),
    ("gzip", "t.csv", gzip.compress(b"a,b\n1,2\n"), "mislabelled_file"),
    ("a CSV that says Parquet", "t.parquet", b"a,b\n1,2\n", "mislabelled_file"),
    ("cut Parquet", "t.parquet", b"PAR1" + b"\x00" * 50, "undecodable"),
    ("undecodable", "t.csv", b"a,b\n\xff\xff\xff,1\n2,3\n", "undecodable"),
]


@pytest.mark.parametrize(
    ("file_name", "content", "code"), [case[1:] for case in FILES], ids=[case[0] for case in FILES]
)
def test_files_that_are_refused(api: Api, file_name: str, content: bytes, code: str) -> None:
    before = len(api.get("/api/v1/datasets", limit=1000)["items"])
    answer = api.http.post("/api/v1/datasets", files={"file": (file_name, content)}, data={"name": "bad"})
    assert 400 <= answer.status_code < 500, answer.text
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == code, problem
    assert len(problem["detail"]) > 20
    assert len(api.get("/api/v1/datasets", limit=1000)["items"]) == before


def _csv(target: list[str], other: list[str] | None = None) -> bytes:
    other = other or [str(number * 7 % 13) for number in range(len(target))]
    return ("x,y\n" + "".join(f"{a},{b}\n" for a, b in zip(other, target, strict=True))).encode()


TARGETS: list[tuple[str, bytes, str]] = [
    ("constant", _csv(["1"] * 50), "target_constant"),
    ("all missing", _csv([""] * 50), "target_missing"),
    ("a class with one row", _csv(["a"] * 25 + ["b"] * 24 + ["c"]), "target_rare_class"),
    ("no usable feature", _csv(["a", "b"] * 25, ["5"] * 50), "no_features"),
]


@pytest.mark.parametrize(("content", "code"), [case[1:] for case in TARGETS], ids=[case[0] for case in TARGETS])
def test_targets_that_are_refused(api: Api, content: bytes, code: str) -> None:
    dataset = api.upload(content, f"target {code}")
    answer = api.http.post("/api/v1/experiments", json={"dataset_id": dataset["id"], "target": "y", "name": code})
    assert 400 <= answer.status_code < 500
    assert answer.json()["code"] == code, answer.text
    assert api.http.delete(f"/api/v1/datasets/{dataset['id']}").status_code == 204, (
        "nothing was left that depends on it"
    )


@pytest.fixture(scope="module")
def dataset(api: Api) -> dict[str, Any]:
    return api.upload(table(400, seed=21), "bad requests")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"target": "nope"}, "target_unknown"),
        ({"columns": {"nope": {"role": "ignored"}}}, "column_unknown"),
        ({"columns": {"city": {"kind": "numeric"}}}, "column_kind_impossible"),
        ({"metric": "rmse"}, "metric_not_for_task"),
        ({"metric": "beauty"}, "invalid_request"),
        ({"task": "regression"}, "target_not_numeric"),
        ({"algorithm": "magic"}, "algorithm_unknown"),
        ({"trainer": "magic"}, "trainer_unknown"),
        ({"search_space": {"num_leaves": {"type": "int", "low": 9, "high": 2}}}, "invalid_request"),
        ({"search_space": {"nonsense": {"value": 1}}}, None),
        ({"search_space": {"num_leaves": {"type": "int", "low": 1, "high": 10**9}}}, None),
        ({"budget": {"max_trials": 0}}, "invalid_request"),
        ({"budget": {"max_trials": 10**12}}, "invalid_request"),
        ({"parallelism": 0}, "invalid_request"),
        ({"seed": -1}, "invalid_request"),
        ({"trails": 5}, "invalid_request"),
        ({"name": ""}, "invalid_request"),
        ({"name": "a/b"}, "invalid_request"),
    ],
)
def test_experiments_that_are_refused(
    api: Api, dataset: dict[str, Any], more: dict[str, Any], code: str | None
) -> None:
    before = len(api.get("/api/v1/experiments", limit=1000)["items"])
    answer = api.http.post("/api/v1/experiments", json={"dataset_id": dataset["id"], "target": "y", **more})
    assert 400 <= answer.status_code < 500, answer.text
    problem = answer.json()
    if code is not None:
        assert problem["code"] == code, problem
    else:
        assert problem["code"] in ("search_space_invalid", "parameter_unknown"), problem
    assert len(api.get("/api/v1/experiments", limit=1000)["items"]) == before


def test_an_experiment_of_the_same_name(api: Api, dataset: dict[str, Any]) -> None:
    first = api.tune(dataset["id"], name="twice", budget={"max_trials": 1})
    answer = api.http.post("/api/v1/experiments", json={"dataset_id": dataset["id"], "target": "y", "name": "twice"})
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    api.wait(first["id"])


@pytest.fixture(scope="module")
def endpoint(api: Api, dataset: dict[str, Any]) -> str:
    experiment = api.tune(dataset["id"], name="for bad rows", budget={"max_trials": 1})
    answer = api.http.put("/api/v1/endpoints/early", json={"experiment_id": experiment["id"]})
    if answer.status_code == 409:
        assert answer.json()["code"] == "no_completed_trial"
    api.wait(experiment["id"])
    api.deploy("bad-rows", experiment_id=experiment["id"])
    return "bad-rows"


ROW: dict[str, Any] = {"size": 1.0, "weight": 50, "city": "서울", "day": "2025-07-01", "member": True}


@pytest.mark.parametrize(
    ("instances", "faults"),
    [
        ([{**ROW, "size": "1.0"}], {("/instances/0/size", "wrong_type")}),
        ([{**ROW, "weight": True}], {("/instances/0/weight", "wrong_type")}),
        ([{**ROW, "city": 5}], {("/instances/0/city", "wrong_type")}),
        ([{**ROW, "day": "yesterday"}], {("/instances/0/day", "wrong_type")}),
        ([{**ROW, "member": "true"}], {("/instances/0/member", "wrong_type")}),
        ([{**ROW, "colour": "red"}], {("/instances/0/colour", "unknown_field")}),
        ([{key: value for key, value in ROW.items() if key != "city"}], {("/instances/0/city", "missing_field")}),
        (
            [ROW, {**ROW, "size": "x", "extra": 1}, {"size": 1.0}],
            {
                ("/instances/1/size", "wrong_type"),
                ("/instances/1/extra", "unknown_field"),
                ("/instances/2/weight", "missing_field"),
                ("/instances/2/city", "missing_field"),
                ("/instances/2/day", "missing_field"),
                ("/instances/2/member", "missing_field"),
            },
        ),
    ],
)
def test_rows_that_are_refused(
    api: Api, endpoint: str, instances: list[dict[str, Any]], faults: set[tuple[str, str]]
) -> None:
    problem = api.predict(endpoint, *instances, status=422)
    assert problem["code"] == "invalid_instances"
    assert {(item["pointer"], item["code"]) for item in problem["errors"]} == faults


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"{}", "application/json"),
        (b'{"instances": []}', "application/json"),
        (b'{"instances": {}}', "application/json"),
        (b'{"instances": [1]}', "application/json"),
        (b'{"instances": [{"size": NaN}]}', "application/json"),
        (b'{"instances": [{}], "parameters": {}}', "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"size=1", "application/x-www-form-urlencoded"),
    ],
)
def test_predict_bodies_that_are_refused(api: Api, endpoint: str, content: bytes, content_type: str) -> None:
    answer = api.http.post(
        f"/api/v1/endpoints/{endpoint}/predict", content=content, headers={"content-type": content_type}
    )
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"]


def test_the_target_and_left_out_columns_may_stay_in_a_row(api: Api, endpoint: str) -> None:
    answer = api.predict(endpoint, {**ROW, "y": "yes", "id": "row-1", "constant": "same"})
    assert len(answer["predictions"]) == 1
    assert answer["warnings"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/api/v1/datasets/{ABSENT}"),
        ("GET", "/api/v1/datasets/nonsense"),
        ("GET", f"/api/v1/datasets/{ABSENT}/preview"),
        ("GET", f"/api/v1/datasets/{ABSENT}/profile"),
        ("DELETE", f"/api/v1/datasets/{ABSENT}"),
        ("GET", f"/api/v1/experiments/{ABSENT}"),
        ("GET", f"/api/v1/experiments/{ABSENT}/trials"),
        ("GET", f"/api/v1/experiments/{ABSENT}/events"),
        ("POST", f"/api/v1/experiments/{ABSENT}/stop"),
        ("DELETE", f"/api/v1/experiments/{ABSENT}"),
        ("GET", f"/api/v1/runs/{ABSENT}"),
        ("GET", f"/api/v1/runs/{ABSENT}/metrics"),
        ("GET", f"/api/v1/runs/{ABSENT}/artifacts"),
        ("GET", f"/api/v1/runs/{ABSENT}/artifacts/../../etc/passwd"),
        ("GET", f"/api/v1/runs/{ABSENT}/logs"),
        ("GET", "/api/v1/models/nope"),
        ("GET", "/api/v1/models/nope/versions"),
        ("GET", "/api/v1/models/%00/versions"),
        ("GET", "/api/v1/endpoints/nope"),
        ("DELETE", "/api/v1/endpoints/nope"),
        ("GET", "/api/v1/nothing"),
        ("GET", "/internal/changes"),
        ("POST", "/worker/v1/lease"),
    ],
)
def test_what_is_not_there_is_404(api: Api, method: str, path: str) -> None:
    answer = api.http.request(method, path)
    assert answer.status_code in (404, 405, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json", path
    assert answer.json()["code"]


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%00", "é"])
@pytest.mark.parametrize("path", ["datasets", "experiments", "runs", "models", "endpoints"])
def test_foreign_cursors(api: Api, path: str, cursor: str) -> None:
    answer = api.http.get(f"/api/v1/{path}?cursor={cursor}")
    assert answer.status_code == 422, answer.text


def test_an_endpoint_before_there_is_a_completed_trial(api: Api) -> None:
    dataset = api.upload(table(3000, seed=22, hard=True), "early")
    experiment = api.tune(dataset["id"], name="early", budget={"max_trials": 50})
    assert api.http.post(f"/api/v1/experiments/{experiment['id']}/stop").status_code == 200
    done = api.wait(experiment["id"])
    if done["best"] is None:
        answer = api.http.put("/api/v1/endpoints/early", json={"experiment_id": experiment["id"]})
        assert (answer.status_code, answer.json()["code"]) == (409, "no_completed_trial")
