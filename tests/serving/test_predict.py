"""Predict by the full path: what it answers, and that every fault is named."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from melonkube.serving.predict import full
from melonkube.serving.settings import PredictSettings, Settings
from melonkube.tabular.encode import FeatureEncoder
from tests.serving.bundles import TARGETS, make_bundle
from tests.serving.conftest import Running, Start

URL = "/api/v1/endpoints/e/predict"


@pytest.fixture
async def ready(serving: Running) -> Running:
    serving.registry.add("m", make_bundle("binary"))
    await serving.deploy("e", model="m", version=1)
    return serving


async def post(running: Running, body: bytes | str, **headers: str) -> httpx.Response:
    content = body.encode() if isinstance(body, str) else body
    return await running.client.post(URL, content=content, headers={"content-type": "application/json", **headers})


def row(**changes: Any) -> dict[str, Any]:
    return {**make_bundle().instances[0], **changes}


@pytest.mark.parametrize("target", sorted(TARGETS))
async def test_answers_are_the_trained_models(serving: Running, target: str) -> None:
    made = make_bundle(target)
    serving.registry.add("m", made)
    await serving.deploy("e", model="m", version=1)
    answer = (await serving.predict("e", *made.instances)).json()
    matrix = FeatureEncoder(made.signature).encode_instances(list(made.instances)).matrix
    expected = made.booster.predict(matrix, num_threads=1)
    classes = made.signature.classes
    if classes is None:
        assert answer["predictions"] == expected.tolist()
        assert answer["probabilities"] is None
        return
    shares = expected if expected.ndim == 2 else np.column_stack((1.0 - expected, expected))
    assert answer["predictions"] == [classes[code] for code in shares.argmax(axis=1)]
    assert [type(value) for value in answer["predictions"]] == [type(classes[0])] * len(made.instances)
    keys = {"False": "false", "True": "true"}
    names = [keys.get(str(value), str(value)) for value in classes]
    assert [list(given) for given in answer["probabilities"]] == [names] * len(made.instances)
    assert [list(given.values()) for given in answer["probabilities"]] == shares.tolist()


async def test_all_bad_rows_and_fields_are_named_at_once(ready: Running) -> None:
    lacking = row()
    del lacking["age"], lacking["member"]
    bad = [
        row(),
        lacking,
        row(**{"age": "35", "surplus/~": 1}),
        row(since="yesterday"),
        "not a row",
        row(zone="1", rate=True),
    ]
    answer = await ready.predict("e", *bad)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "invalid_instances"
    assert {(item["pointer"], item["code"]) for item in problem["errors"]} == {
        ("/instances/1/age", "missing_field"),
        ("/instances/1/member", "missing_field"),
        ("/instances/2/age", "wrong_type"),
        ("/instances/2/surplus~1~0", "unknown_field"),
        ("/instances/3/since", "wrong_type"),
        ("/instances/4", "wrong_type"),
        ("/instances/5/zone", "wrong_type"),
        ("/instances/5/rate", "wrong_type"),
    }
    assert problem["detail"].startswith("5 of 6 instances")


async def test_unseen_categories_and_ignored_columns_are_warned_of(ready: Running) -> None:
    answer = await ready.predict("e", row(), row(**{"직업": "우주인", "label": "yes", "row id": 3}))
    assert answer.status_code == 200
    body = answer.json()
    assert len(body["predictions"]) == 2
    assert len(body["warnings"]) == 3
    assert any("우주인" in sentence for sentence in body["warnings"])
    missing = (await ready.predict("e", row(**{"직업": None}))).json()
    assert missing["probabilities"][0] == body["probabilities"][1]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"instances": {}}',
        b'{"instances": []}',
        b'{"instances": null}',
        b'{"instances": [{}], "parameters": {}}',
        b'{"instances": [{}]',
        b'{"instances": [{}]} more',
        b'{"instances": [{"age": NaN}]}',
        b'{"instances": [{"age": Infinity}]}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00",
        b'{"instances": [' + b"[" * 200_000,
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_what_is_no_predict_call_is_refused(ready: Running, body: bytes) -> None:
    answer = await post(ready, body)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "invalid_request"
    assert "instances" in problem["detail"]


@pytest.mark.parametrize(
    "field",
    [b'"age": 1e999', b'"age": ' + b"9" * 5000, b'"\xea\xb0": 1', b'"age": "\\ud800"'],
    ids=["beyond a double", "beyond an int", "no UTF-8", "lone surrogate"],
)
async def test_rows_that_cannot_be_read_are_named_beside_the_others(ready: Running, field: bytes) -> None:
    good = json.dumps(row()).encode()
    body = b'{"instances": [' + good + b", {" + field + b"}, " + json.dumps({"age": 1}).encode() + b"]}"
    answer = await post(ready, body)
    assert answer.status_code == 422
    problem = answer.json()
    pointers = [item["pointer"] for item in problem.get("errors", [])]
    if problem["code"] == "invalid_instances":
        assert "/instances/1" in pointers
        assert "/instances/2/zone" in pointers
        assert not any(pointer.startswith("/instances/0") for pointer in pointers)
    else:  # a text that breaks the JSON itself
        assert problem["code"] == "invalid_request"


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_only_json_is_taken(ready: Running, kind: str) -> None:
    answer = await post(ready, json.dumps({"instances": [row()]}), **{"content-type": kind})
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"


async def test_json_with_a_character_set_is_taken_and_a_compressed_body_is_not(ready: Running) -> None:
    body = json.dumps({"instances": [row()]})
    assert (await post(ready, body, **{"content-type": "Application/JSON; charset=UTF-8"})).status_code == 200
    assert (await post(ready, body, **{"content-encoding": "gzip"})).status_code == 415


async def test_bodies_and_rows_are_limited(start: Start, settings: Settings) -> None:
    limits = PredictSettings(max_body_bytes=3000, max_rows=3)
    running = await start(settings.model_copy(update={"predict": limits}))
    running.registry.add("m", make_bundle())
    await running.deploy("e", model="m", version=1)
    assert (await running.predict("e", *[row()] * 3)).status_code == 200
    for answer in (
        await running.predict("e", *[row()] * 4),
        await post(running, b" " * 3001),
        await running.client.post(URL, content=chunks(), headers={"content-type": "application/json"}),
    ):
        assert answer.status_code == 413
        assert answer.json()["code"] == "body_too_large"


async def chunks() -> Any:
    for _ in range(4):
        yield b" " * 1000


async def test_large_calls_run_off_the_loop_and_answer_as_small_ones(ready: Running) -> None:
    made = make_bundle()
    rows = list(made.instances) * 60
    assert len(rows) > full.CHUNK_ROWS
    large = (await ready.predict("e", *rows)).json()
    small = (await ready.predict("e", *made.instances)).json()
    assert large["predictions"] == small["predictions"] * 60
    assert large["probabilities"] == small["probabilities"] * 60


async def test_too_many_large_calls_are_told_to_come_back(start: Start, settings: Settings) -> None:
    limits = PredictSettings(max_waiting=2, inline_seconds=0)
    running = await start(settings.model_copy(update={"predict": limits}))
    running.registry.add("m", make_bundle())
    await running.deploy("e", model="m", version=1)
    answers = await asyncio.gather(*(running.predict("e", row()) for _ in range(12)))
    by_status = {status: [a for a in answers if a.status_code == status] for status in (200, 503)}
    assert len(by_status[200]) >= 2
    assert len(by_status[200]) + len(by_status[503]) == 12
    for refused in by_status[503]:
        assert refused.json()["code"] == "not_ready"
        assert refused.headers["retry-after"] == "1"
    assert (await running.predict("e", row())).status_code == 200


async def test_an_endpoint_that_loads_is_503(serving: Running) -> None:
    serving.registry.add("m", make_bundle())
    serving.registry.hold = asyncio.Event()
    await serving.put("e", model="m", version=1)
    for answer in (await serving.predict("e", row()), await serving.client.get("/api/v1/endpoints/e/schema")):
        assert answer.status_code == 503
        assert answer.json()["code"] == "endpoint_not_ready"
        assert answer.headers["retry-after"] == "1"
    serving.registry.hold.set()
    await serving.rested("e")
    assert (await serving.predict("e", row())).status_code == 200


async def test_predict_is_counted(ready: Running) -> None:
    await ready.predict("e", row(), row())
    await ready.predict("e", {})
    text = (await ready.client.get("/metrics")).text
    label = '{endpoint="e",workspace="00000000-0000-7000-8000-000000000001"}'
    assert f"melonkube_predict_rows_total{label} 2.0" in text
    assert f"melonkube_predict_rejected_total{label} 1.0" in text
    assert f"melonkube_predict_duration_seconds_count{label} 1.0" in text
    assert f"melonkube_endpoint_swaps_total{label} 1.0" in text
    assert "melonkube_models_loaded 1.0" in text
    assert 'melonkube_endpoint_version{endpoint="e",model="m"' in text
    assert 'route="/api/v1/endpoints/{name}/predict",status="200"' in text
    await ready.client.delete("/api/v1/endpoints/e")
    assert label not in (await ready.client.get("/metrics")).text


async def test_a_client_that_goes_away_in_its_body_harms_nobody(ready: Running, make_token: Callable[..., str]) -> None:
    messages: list[Any] = [{"type": "http.request", "body": b'{"inst', "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [
        (b"authorization", f"Bearer {make_token('serving')}".encode()),
        (b"content-type", b"application/json"),
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": URL,
        "raw_path": URL.encode(),
        "query_string": b"",
        "headers": headers,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("serving", 80),
        "client": ("127.0.0.1", 1),
    }
    await ready.app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert (await ready.predict("e", row())).status_code == 200
