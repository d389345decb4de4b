"""Endpoints that follow an alias."""

from tests.serving.bundles import make_bundle
from tests.serving.conftest import Running


async def test_an_alias_is_followed(serving: Running) -> None:
    bundles = [make_bundle(seed=seed) for seed in range(3)]
    for made in bundles:
        serving.registry.add("m", made)
    await serving.registry.move("m", "champion", 1)
    endpoint = await serving.deploy("e", model="m", alias="champion")
    assert (endpoint["version"], endpoint["target"]["alias"]) == (1, "champion")
    assert serving.registry.references["endpoint:e"] == {"model": "m", "alias": "champion"}
    for version in (2, 3, 1):
        await serving.registry.move("m", "champion", version)
        endpoint = await serving.until("e", version=version)
        assert (endpoint["target"]["version"], endpoint["target"]["state"]) == (version, "ready")
        assert (endpoint["generation"], endpoint["observed_generation"]) == (1, 1)
        assert serving.registry.references == {"endpoint:e": {"model": "m", "alias": "champion"}}


async def test_an_alias_that_moved_unseen_is_noticed_after_the_outage(serving: Running) -> None:
    serving.registry.add("m", make_bundle(seed=0))
    serving.registry.add("m", make_bundle(seed=1))
    await serving.registry.move("m", "a", 1)
    await serving.deploy("e", model="m", alias="a")
    serving.registry.gate.up = False
    await serving.registry.move("m", "a", 2)
    serving.registry.gate.up = True
    await serving.until("e", version=2)


async def test_a_registry_that_counts_anew_is_noticed(serving: Running) -> None:
    serving.registry.add("m", make_bundle(seed=0))
    serving.registry.add("m", make_bundle(seed=1))
    for version in (1, 2, 1):
        await serving.registry.move("m", "a", version)
    await serving.deploy("e", model="m", alias="a")
    serving.registry.changes.clear()  # restored from a backup
    await serving.registry.move("m", "a", 2)
    await serving.until("e", version=2)


async def test_an_alias_that_is_gone_keeps_what_answers(serving: Running) -> None:
    serving.registry.add("m", make_bundle())
    await serving.registry.move("m", "a", 1)
    await serving.deploy("e", model="m", alias="a")
    await serving.registry.move("m", "a", None)
    endpoint = await serving.until("e", target_state="failed")
    assert "'a'" in endpoint["target"]["reason"]
    assert endpoint["version"] == 1
    await serving.registry.move("m", "a", 1)
    await serving.until("e", target_state="ready")
