"""Endpoints converge on what was asked for; a failure keeps what answers and says why."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from melonkube.contracts.models import GOLDEN_NAME, LIGHTGBM_MODEL_NAME, MANIFEST_NAME, SIGNATURE_NAME
from melonkube.kit.tokens import DEFAULT_WORKSPACE
from melonkube.serving.bundles.cache import MAX_CRASHES, BundleCache
from melonkube.serving.endpoints.domain import Key
from melonkube.serving.endpoints.repository import EndpointReader
from melonkube.serving.settings import BundleSettings, Settings
from tests.serving.bundles import Made, make_bundle
from tests.serving.conftest import Running, Start
from tests.support.postgres import PostgresServer


def row() -> dict[str, Any]:
    return dict(make_bundle().instances[0])


async def answers_as(running: Running, made: Made, name: str = "e") -> None:
    answer = await running.predict(name, row())
    assert answer.status_code == 200, answer.text
    assert answer.json()["digest"] == made.digest


async def test_a_new_version_takes_over_and_the_old_stays_warm(serving: Running) -> None:
    first, second = make_bundle(seed=0), make_bundle(seed=1)
    serving.registry.add("m", first)
    serving.registry.add("m", second)
    await serving.deploy("e", model="m", version=1)
    old = serving.live("e").served
    endpoint = await serving.deploy("e", model="m", version=2)
    assert endpoint["digest"] == second.digest
    assert serving.registry.references == {"endpoint:e": {"model": "m", "version": 2}}
    await answers_as(serving, second)
    serving.registry.gate.calls.clear()
    await serving.deploy("e", model="m", version=1)
    assert serving.live("e").served is old
    assert not any("/files/" in path for _, path in serving.registry.gate.calls)
    await answers_as(serving, first)


async def test_what_answers_goes_on_while_the_next_loads(serving: Running) -> None:
    first, second = make_bundle(seed=0), make_bundle(seed=1)
    serving.registry.add("m", first)
    serving.registry.add("m", second)
    await serving.deploy("e", model="m", version=1)
    serving.registry.hold = asyncio.Event()
    endpoint = await serving.put("e", model="m", version=2)
    assert (endpoint["state"], endpoint["version"], endpoint["target"]["state"]) == ("ready", 1, "loading")
    assert (endpoint["generation"], endpoint["observed_generation"]) == (2, 1)
    await answers_as(serving, first)
    both = {"endpoint:e": {"model": "m", "version": 2}, "endpoint:e (answering)": {"model": "m", "version": 1}}
    assert serving.registry.references == both
    serving.registry.hold.set()
    await serving.rested("e")
    await answers_as(serving, second)
    assert serving.registry.references == {"endpoint:e": {"model": "m", "version": 2}}


async def test_a_put_overtakes_one_that_is_still_loading(serving: Running) -> None:
    bundles = [make_bundle(seed=seed) for seed in range(3)]
    for made in bundles:
        serving.registry.add("m", made)
    await serving.deploy("e", model="m", version=1)
    serving.registry.hold = asyncio.Event()
    await serving.put("e", model="m", version=2)
    await serving.put("e", model="m", version=3)
    serving.registry.hold.set()
    endpoint = await serving.rested("e")
    assert (endpoint["version"], endpoint["generation"], endpoint["observed_generation"]) == (3, 3, 3)


def damaged() -> dict[str, tuple[Made, str]]:
    good = make_bundle(seed=1)
    model = good.files[LIGHTGBM_MODEL_NAME]
    golden = json.loads(good.files[GOLDEN_NAME])
    golden["raw_scores"][3][0] += 1e-9
    other = json.loads(good.files[GOLDEN_NAME])
    other["instances"][0]["age"] = "old"
    signature = json.loads(good.files[SIGNATURE_NAME])
    signature["features"] = signature["features"][:-1]
    many = json.loads(good.files[SIGNATURE_NAME])
    many["classes"] = ["a", "b", "c"]
    return {
        "golden scores differ in the last place": (
            good.with_file(GOLDEN_NAME, json.dumps(golden).encode()),
            "golden row 3",
        ),
        "golden scores differ elsewhere than tolerated": (
            good.with_file(GOLDEN_NAME, json.dumps(golden).encode()).with_manifest(
                architecture="another", golden_tolerance=1e-12
            ),
            "tolerance",
        ),
        "golden rows do not fit": (good.with_file(GOLDEN_NAME, json.dumps(other).encode()), "/instances/0/age"),
        "no golden rows": (good.with_file(GOLDEN_NAME, b'{"instances": [], "raw_scores": []}'), "golden"),
        "golden is no JSON": (good.with_file(GOLDEN_NAME, b"{"), "golden.json cannot be read"),
        "signature of another width": (good.with_file(SIGNATURE_NAME, json.dumps(signature).encode()), "features"),
        "signature of other classes": (good.with_file(SIGNATURE_NAME, json.dumps(many).encode()), "two classes"),
        "model cut short": (good.with_file(LIGHTGBM_MODEL_NAME, model[: len(model) // 2]), "cut short"),
        "model is a pickle": (good.with_file(LIGHTGBM_MODEL_NAME, b"\x80\x04K\x01."), "LightGBM's text format"),
        "a file too many": (good.with_file("code.py", b"print(1)"), "code.py"),
        "another flavor": (good.with_manifest(flavor="sklearn"), "flavor 'sklearn'"),
        "a format of the future": (good.with_file("x", b""), "x"),
    }


@pytest.mark.parametrize("fault", sorted(damaged()))
async def test_a_bad_bundle_is_refused_with_the_reason_and_the_old_goes_on(serving: Running, fault: str) -> None:
    good, (bad, said) = make_bundle(seed=0), damaged()[fault]
    serving.registry.add("m", good)
    serving.registry.add("m", bad)
    await serving.deploy("e", model="m", version=1)
    await serving.put("e", model="m", version=2)
    endpoint = await serving.rested("e")
    assert endpoint["state"] == "ready"
    assert (endpoint["version"], endpoint["observed_generation"]) == (1, 1)
    assert endpoint["target"]["state"] == "failed"
    assert said in endpoint["target"]["reason"]
    await answers_as(serving, good)
    assert serving.registry.references["endpoint:e"]["version"] == 2
    assert serving.registry.references["endpoint:e (answering)"]["version"] == 1
    serving.registry.gate.calls.clear()
    await asyncio.sleep(0.1)  # several times the wait after an outage
    assert serving.registry.gate.calls == []


async def test_within_the_tolerance_another_architectures_model_is_taken(serving: Running) -> None:
    good = make_bundle(seed=1)
    golden = json.loads(good.files[GOLDEN_NAME])
    golden["raw_scores"][3][0] += 1e-9
    serving.registry.add("m", good.with_file(GOLDEN_NAME, json.dumps(golden).encode()).with_manifest(architecture="x"))
    await serving.deploy("e", model="m", version=1)


@pytest.mark.parametrize("name", [MANIFEST_NAME, LIGHTGBM_MODEL_NAME, SIGNATURE_NAME])
async def test_a_file_that_is_not_the_registered_one_is_refused(serving: Running, name: str) -> None:
    made = make_bundle()
    serving.registry.add("m", made)
    content = made.files[name]
    serving.registry.replaced["m", 1, name] = content[:-2] + b" " + content[-1:]
    await serving.put("e", model="m", version=1)
    endpoint = await serving.rested("e")
    assert (endpoint["state"], endpoint["target"]["state"]) == ("failed", "failed")
    assert "SHA-256" in endpoint["target"]["reason"]
    answer = await serving.predict("e", row())
    assert answer.status_code == 503
    assert answer.json()["code"] == "endpoint_not_ready"
    assert "SHA-256" in answer.json()["detail"]


async def test_a_file_longer_than_the_manifest_says_is_not_read_to_its_end(serving: Running) -> None:
    made = make_bundle()
    serving.registry.add("m", made)
    serving.registry.replaced["m", 1, LIGHTGBM_MODEL_NAME] = made.files[LIGHTGBM_MODEL_NAME] + b"x" * 5_000_000
    await serving.put("e", model="m", version=1)
    endpoint = await serving.rested("e")
    assert endpoint["target"]["state"] == "failed"


async def test_a_bundle_over_the_limit_is_refused(start: Start, settings: Settings) -> None:
    running = await start(settings.model_copy(update={"bundles": BundleSettings(max_bytes=1000)}))
    running.registry.add("m", make_bundle())
    await running.put("e", model="m", version=1)
    endpoint = await running.rested("e")
    assert "at most 1000" in endpoint["target"]["reason"]


async def test_an_outage_is_waited_out(serving: Running) -> None:
    first, second = make_bundle(seed=0), make_bundle(seed=1)
    serving.registry.add("m", first)
    serving.registry.add("m", second)
    await serving.deploy("e", model="m", version=1)
    serving.registry.hold = asyncio.Event()
    await serving.put("e", model="m", version=2)
    serving.registry.gate.up = False
    serving.registry.hold.set()
    endpoint = await serving.rested("e")
    assert endpoint["version"] == 1
    assert endpoint["target"]["state"] == "loading"
    assert "registry" in endpoint["target"]["reason"]
    await answers_as(serving, first)
    serving.registry.gate.up = True
    await serving.until("e", target_state="ready")
    await answers_as(serving, second)


async def test_a_restart_without_the_registry_answers_as_before(start: Start) -> None:
    first, second = make_bundle(seed=0), make_bundle(seed=1)
    running = await start()
    running.registry.add("m", first)
    running.registry.add("m", second)
    await running.registry.move("m", "a", 2)
    await running.deploy("e", model="m", version=1)
    await running.deploy("f", model="m", alias="a")
    await start.stop()  # type: ignore[attr-defined]
    running.registry.gate.up = False
    again = await start()
    await answers_as(again, first, "e")
    await answers_as(again, second, "f")
    endpoint = await again.rested("e")
    assert (endpoint["state"], endpoint["target"]["state"], endpoint["observed_generation"]) == ("ready", "ready", 1)
    follower = await again.rested("f")
    assert (follower["state"], follower["version"], follower["target"]["state"]) == ("ready", 2, "loading")
    again.registry.gate.up = True
    await again.until("f", target_state="ready")


async def test_a_restart_after_a_failed_target_answers_with_the_version_before(
    start: Start, settings: Settings
) -> None:
    good = make_bundle(seed=0)
    running = await start()
    running.registry.add("m", good)
    running.registry.add("m", good.with_file(GOLDEN_NAME, b"{"))
    await running.deploy("e", model="m", version=1)
    await running.put("e", model="m", version=2)
    await running.rested("e")
    await start.stop()  # type: ignore[attr-defined]
    for lost in (False, True):
        if lost:  # a new disk: the bundle of what answered is fetched again
            for folder in (settings.data_dir / "bundles").iterdir():
                for file in folder.iterdir():
                    file.unlink()
                folder.rmdir()
        again = await start()
        await answers_as(again, good)
        endpoint = await again.rested("e")
        assert (endpoint["version"], endpoint["target"]["state"]) == (1, "failed")
        await start.stop()  # type: ignore[attr-defined]


async def test_a_bundle_that_rotted_on_disk_is_fetched_again(start: Start, settings: Settings) -> None:
    made = make_bundle()
    running = await start()
    running.registry.add("m", made)
    await running.deploy("e", model="m", version=1)
    await start.stop()  # type: ignore[attr-defined]
    path = settings.data_dir / "bundles" / made.digest / LIGHTGBM_MODEL_NAME
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    again = await start()
    await answers_as(again, made)
    assert path.read_bytes() == content


async def test_a_model_that_ended_the_service_again_and_again_is_left_alone(start: Start, settings: Settings) -> None:
    made = make_bundle()
    cache = BundleCache(settings.data_dir / "bundles", 0)
    cache.open()
    for _ in range(MAX_CRASHES):
        cache.begin_load(made.digest)
    running = await start()
    running.registry.add("m", made)
    await running.put("e", model="m", version=1)
    endpoint = await running.rested("e")
    assert endpoint["state"] == "failed"
    assert "ended the service" in endpoint["target"]["reason"]


async def test_endpoints_of_one_bundle_share_the_model(serving: Running) -> None:
    made = make_bundle()
    for model in ("m", "n"):
        serving.registry.add(model, made)
    await asyncio.gather(*(serving.deploy(f"e{i}", model="mn"[i % 2], version=1) for i in range(6)))
    assert len({id(serving.live(f"e{i}").served) for i in range(6)}) == 1
    assert [(await serving.get(f"e{i}"))["model"] for i in range(2)] == ["m", "n"]


async def test_another_replicas_changes_are_noticed(start: Start) -> None:
    one, other = await start(), await start()
    one.registry.add("m", make_bundle(seed=0))
    one.registry.add("m", make_bundle(seed=1))
    await one.deploy("e", model="m", version=1)
    before = await other.get("e")
    assert (before["state"], before["generation"]) == ("loading", 1)
    # Nobody need wait until it looks again: the first call has it load the model.
    assert (await other.predict("e", row())).status_code == 200
    assert (await other.rested("e"))["version"] == 1
    await one.deploy("e", model="m", version=2)
    await other.reconciler.resync()
    assert (await other.rested("e"))["version"] == 2
    await one.client.delete("/api/v1/endpoints/e")
    await other.reconciler.resync()
    assert (await other.predict("e", row())).status_code == 404
    await one.deploy("e", model="m", version=1)
    await other.reconciler.resync()
    endpoint = await other.rested("e")
    assert (endpoint["version"], endpoint["generation"]) == (1, 1)


async def test_unused_bundles_leave_the_disk(start: Start, settings: Settings) -> None:
    running = await start(settings.model_copy(update={"bundles": BundleSettings(cache_bytes=0)}))
    root = settings.data_dir / "bundles"
    bundles = [make_bundle(seed=seed) for seed in range(3)]
    for version, made in enumerate(bundles, 1):
        running.registry.add("m", made)
        await running.deploy("e", model="m", version=version)
    # The one that answers and the one before it, which is warm, stay.
    assert {folder.name for folder in root.iterdir()} == {made.digest for made in bundles[1:]}


async def test_an_unparsable_answer_of_the_registry_is_an_outage(serving: Running) -> None:
    serving.registry.add("m", make_bundle())
    await serving.registry.move("m", "a", 1)
    serving.registry.garbled = True
    answer = await serving.client.put("/api/v1/endpoints/e", json={"model": "m", "alias": "a"})
    assert answer.status_code == 502
    serving.registry.garbled = False
    await serving.deploy("e", model="m", alias="a")
    serving.registry.garbled = True
    await serving.registry.move("m", "a", 1)
    serving.registry.garbled = False
    serving.registry.add("m", make_bundle(seed=1))
    await serving.registry.move("m", "a", 2)
    await serving.until("e", version=2, target_state="ready")


async def test_predict_needs_no_database_and_converging_waits_for_it(
    start: Start, settings: Settings, postgres: PostgresServer
) -> None:
    running = await start(settings.model_copy(update={"database_url": SecretStr(postgres.create_database())}))
    running.registry.add("m", make_bundle(seed=0))
    running.registry.add("m", make_bundle(seed=1))
    await running.registry.move("m", "a", 1)
    await running.deploy("e", model="m", alias="a")
    async with running.app.state.db.write() as session:
        await session.execute(text("CHECKPOINT"))  # the tests' server trades safety for speed
    postgres.stop()
    try:
        answer = await running.client.get("/api/v1/endpoints/e")
        assert answer.status_code == 503
        assert answer.json()["code"] == "not_ready"
        assert (await running.client.get("/readyz")).status_code == 503
        await running.registry.move("m", "a", 2)
        async with asyncio.timeout(60):
            while running.live("e").version != 2:
                await running.keeper("e").rested.wait()
                await asyncio.sleep(0.005)
        await answers_as(running, make_bundle(seed=1))
    finally:
        postgres.start()
    await running.until("e", version=2, target_state="ready")
    async with asyncio.timeout(60):
        while True:  # until what would answer after a restart is written down
            async with running.app.state.db.read() as session:
                desired = await EndpointReader(session).get(Key(DEFAULT_WORKSPACE, "e"))
            if desired is not None and desired.active is not None and desired.active.version == 2:
                break
            await asyncio.sleep(0.01)
