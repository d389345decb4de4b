"""The Dockerfile and the compose file: what can be said of them without building or starting anything."""

import re
from typing import Any

import pytest
import yaml

from tests.deploy.chart import ROOT
from tests.deploy.test_settings import load, names

SERVICES = ("gateway", "registry", "tuner", "serving")
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def _instructions(stage: str) -> str:
    """Return what stands between a stage's FROM and the next one."""
    found = re.search(rf"^FROM \S+ AS {stage}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.DOTALL | re.MULTILINE)
    assert found is not None, stage
    return found[1]


def test_every_image_has_a_stage_below_it_and_one_that_says_what_it_runs() -> None:
    for service in SERVICES:
        assert re.search(rf"^FROM (plain|tables|boosted) AS under-{service}$", DOCKERFILE, re.MULTILINE)
        assert f'CMD ["python", "-m", "melonkube.{service}"]' in _instructions(f"ends-{service}")
        assert (ROOT / "services" / service / "src" / "melonkube" / service / "__main__.py").is_file()
    assert 'CMD ["python", "-m", "melonkube.trainer.worker"]' in _instructions("ends-trainer")


def test_services_have_a_health_check_and_a_worker_has_none() -> None:
    assert "HEALTHCHECK" in _instructions("listens")
    assert "HEALTHCHECK" not in _instructions("service") + _instructions("ends-trainer")
    for service in SERVICES:
        assert re.search(rf"^FROM listens AS ends-{service}$", DOCKERFILE, re.MULTILINE)


def test_the_page_is_in_the_gateways_image_alone() -> None:
    assert DOCKERFILE.count("--from=web") == 1
    assert "--from=web" in _instructions("ends-gateway")


def test_nobody_is_root() -> None:
    assert DOCKERFILE.split("USER ")[1].startswith("65532:65532\n")
    assert DOCKERFILE.count("\nUSER ") == 1


def test_what_is_installed_is_locked() -> None:
    installs = [line for line in DOCKERFILE.replace("\\\n", " ").splitlines() if "pip install" in line]
    assert len(installs) == 6
    for line in installs:
        # The tool itself by its version, third parties by their hashes, ours from what was just built.
        assert '"uv==' in line or "--require-hashes" in line or "--no-index" in line, line
    assert "npm ci" in DOCKERFILE
    assert "npm install" not in DOCKERFILE


def test_our_own_code_is_the_last_thing_that_comes_in() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert "COPY --from=ours" in last
    assert DOCKERFILE.count("COPY --from=ours") == 1
    assert "RUN " not in last


def test_a_change_of_code_makes_no_third_partys_layer_anew() -> None:
    for stage in ("web", "tables", "boosted", "service"):
        for copied in re.findall(r"^COPY (.+)$", _instructions(stage), re.MULTILINE):
            # Lists of packages, which change with the lock alone, and what the page is made of.
            assert copied.startswith(("--from=source /locked/", "web")), copied


def test_what_every_service_is_made_of_is_prepared_for_each() -> None:
    for loop in re.findall(r"for (?:package|service) in ([a-z ]+);", DOCKERFILE):
        assert {*SERVICES, "trainer"} <= set(loop.split())


def test_no_index_but_the_default_one_is_named() -> None:
    assert re.findall(r"https?://(?!127\.0\.0\.1)\S+", DOCKERFILE) == []


def test_compose_runs_the_images_of_the_dockerfile() -> None:
    for service in SERVICES:
        own = COMPOSE["services"][service]
        assert own["image"] == f"${{MELON_IMAGE_PREFIX:-melonkube}}/{service}:${{MELON_IMAGE_TAG:-dev}}"
        assert own["build"]["args"] == {"SERVICE": service}
        assert (ROOT / own["build"]["context"] / own["build"]["dockerfile"]).is_file()


def test_compose_closes_what_it_can() -> None:
    for service in (*SERVICES, "keys"):
        own = COMPOSE["services"][service]
        assert own["read_only"] is True
        assert own["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in own["security_opt"]
        assert "/tmp" in own["tmpfs"]
    published = {name for name, own in COMPOSE["services"].items() if "ports" in own}
    assert published == {"gateway"}
    assert COMPOSE["services"]["gateway"]["ports"][0].startswith("${MELON_BIND:-127.0.0.1}:")


def _filled(text: str) -> str:
    """Return ``text`` as compose reads it where the owner's key is all that is set."""
    assert "${MELON_OWNER_KEY:-" not in text, "there is no default key"
    text = re.sub(r"\$\{MELON_OWNER_KEY:\?[^}]*\}", "0123456789abcdef", text)
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)


@pytest.mark.parametrize("service", SERVICES)
def test_compose_gives_settings_that_are_known_and_taken(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {name: _filled(str(value)) for name, value in COMPOSE["services"][service]["environment"].items()}
    settings = load(service, given, monkeypatch)
    assert set(given) <= names(type(settings)) | {"DATABASE_URL"}
    peers = {name: f"http://{name}:8080" for name in ("registry", "tuner", "serving")}
    assert {name: getattr(settings.peers, name) for name in peers} == peers
    assert str(settings.tokens.key_file.parent) == "/keys"
    if service == "tuner":
        assert (settings.executor, settings.slots, settings.replica) == ("local", 2, "compose")
    if service == "gateway":
        assert "localhost:8080" in settings.gateway.hosts


def test_compose_mounts_the_volumes_it_names() -> None:
    mounted = {volume.partition(":")[0] for own in COMPOSE["services"].values() for volume in own.get("volumes", [])}
    assert mounted == set(COMPOSE["volumes"])
    waited = {name for own in COMPOSE["services"].values() for name in own.get("depends_on", {})}
    assert waited <= set(COMPOSE["services"])
