"""The chart gives services settings that they know, in values that they take."""

import importlib
from typing import Any

import pytest
from pydantic import BaseModel

from tests.deploy.chart import NAMESPACE, RELEASE, VARIATIONS, environment, needs_helm, pods, render

pytestmark = needs_helm

SERVICES = ("gateway", "registry", "tuner", "serving")
SECRET = "postgresql://melon:0123456789abcdef@db/melon"


def names(model: type[BaseModel], prefix: str = "MELON_") -> set[str]:
    """Return the variables that fill a service's settings."""
    found = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= names(inner, f"{prefix}{name.upper()}__")
        else:
            found.add(f"{prefix}{name.upper()}")
    return found


def load(service: str, given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a service's settings as it reads them from ``given`` alone."""
    module = importlib.import_module(f"melonkube.{service}.settings")
    with monkeypatch.context() as patch:
        for name in names(module.Settings) | {"DATABASE_URL", "MELON_DATABASE_URL"}:
            patch.delenv(name, raising=False)
        for name, value in given.items():
            patch.setenv(name, value)
        return module.Settings()


@pytest.mark.parametrize("variation", VARIATIONS)
@pytest.mark.parametrize("service", SERVICES)
def test_every_name_is_known_and_every_value_is_taken(
    variation: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = dict(pods(render(variation)))[service]
    given = {
        name: SECRET if value.count("/") == 1 and name.endswith(("_URL", "_KEY")) else value
        for name, value in environment(spec).items()
    }
    settings = importlib.import_module(f"melonkube.{service}.settings").Settings
    assert set(given) <= names(settings) | {"DATABASE_URL"}
    loaded = load(service, given, monkeypatch)
    assert loaded.listen.host == "0.0.0.0"
    assert loaded.listen.port == spec["containers"][0]["ports"][0]["containerPort"]
    mounts = {each["mountPath"] for each in spec["containers"][0]["volumeMounts"]}
    assert str(loaded.data_dir) in mounts
    assert str(loaded.tokens.key_file.parent) in mounts
    if service == "gateway":
        assert loaded.gateway.owner_key is not None
        assert loaded.gateway.hosts
    else:
        assert loaded.database_url.get_secret_value() == SECRET


def test_what_workers_are_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load("tuner", environment(dict(pods(render("pool")))["tuner"]), monkeypatch)
    own = found.kubernetes
    assert found.executor == "kubernetes"
    assert found.replica == "try-melonkube"
    assert (own.namespace, own.installation) == ("melon-workers", RELEASE)
    assert own.image == "images.example/team/melonkube/trainer:0.1.0"
    assert own.image_pull_secrets == ["pull"]
    assert own.tuner_url == f"http://try-melonkube-tuner.{NAMESPACE}.svc:8080"
    assert own.registry_url == f"http://try-melonkube-registry.{NAMESPACE}.svc:8080"
    assert (own.cpu, own.memory_bytes, own.cache_bytes) == (3.5, 14 << 30, 100 << 30)
    assert (own.parallelism, own.max_workers, own.pending_seconds, own.autoscaled) == (16, 200, 600, True)
    assert own.node_selector == {"pool": "trials"}
    assert [(each.key, each.toleration_seconds) for each in own.tolerations] == [("pool", None), ("spot", 60)]
    assert (own.priority_class, own.queue) == ("trials", "trials")


@pytest.mark.parametrize(("given", "cores"), [("500m", 0.5), ("0.25", 0.25), ("2", 2.0), ("1500m", 1.5)])
def test_cores_are_said_as_kubernetes_says_them(given: str, cores: float, monkeypatch: pytest.MonkeyPatch) -> None:
    found = environment(dict(pods(render("default", "--set", f"workers.cpu={given}")))["tuner"])
    assert load("tuner", found, monkeypatch).kubernetes.cpu == cores


def test_trials_inside_the_tuner(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load("tuner", environment(dict(pods(render("local")))["tuner"]), monkeypatch)
    assert (found.executor, found.slots) == ("local", 2)


def test_settings_of_ones_own_win(monkeypatch: pytest.MonkeyPatch) -> None:
    found = dict(pods(render("watched")))
    registry = load("registry", environment(found["registry"]), monkeypatch)
    assert registry.limits.upload_bytes == 1 << 30
    assert registry.logs.level == "DEBUG"
    assert load("serving", environment(found["serving"]), monkeypatch).predict.max_rows == 20_000
    longer = dict(pods(render("default", "--set", "gateway.settings.MELON_LISTEN__SHUTDOWN_SECONDS=9")))
    assert load("gateway", environment(longer["gateway"]), monkeypatch).listen.shutdown_seconds == 9
