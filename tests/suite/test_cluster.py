"""``melon up --executor kubernetes``: what it needs, what the tuner is told, the door that comes with it."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from melonkube.kit.tokens import DEFAULT_WORKSPACE, SCOPE_WORKER, Principal, TokenKey, TokenSigner
from melonkube.sdk.cli.errors import CommandError, ExitCode
from melonkube.suite import cluster
from melonkube.suite.cluster import Kept, find_cluster, listen_for_workers, parse_address, read_context
from melonkube.suite.embedded import Suite
from melonkube.suite.plan import Plan
from tests.suite.fakes import Fakes, alive
from tests.suite.test_supervisor import melon_up, read_until, rest

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: here
contexts:
- {name: elsewhere, context: {cluster: far, user: me}}
- name: here
  context:
    cluster: near
    user: me
    namespace: team-a
clusters:
- {name: far, cluster: {server: "https://far.example"}}
- {name: near, cluster: {server: "https://near.example:6443"}}
users: []
"""


@pytest.fixture(scope="module")
def address() -> str:
    """An address of this machine that is not loopback's."""
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family is socket.AF_INET and not one.address.startswith(("127.", "169.254.")):
                return one.address
    pytest.skip("this machine has loopback alone")


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    file = tmp_path / "kube config"
    file.write_text(KUBECONFIG)
    return file


@pytest.fixture
def fakes(tmp_path: Path) -> Fakes:
    return Fakes(tmp_path / "fakes")


# What is asked for


def test_a_cluster_is_what_the_kubeconfig_and_the_options_say(kubeconfig: Path, address: str) -> None:
    found = find_cluster(
        advertise_address=f"{address}:7000",
        namespace=None,
        worker_image="registry.example/worker:1",
        workers=5,
        environ={"KUBECONFIG": f"/missing{os.pathsep}{kubeconfig}"},
    )
    assert (found.server, found.context, found.namespace) == ("https://near.example:6443", "here", "team-a")
    assert (found.host, found.port) == (address, 7000)
    assert found.environment("melon-1", "http://a:1", 5) == {
        "KUBECONFIG": str(kubeconfig),
        "MELON_KUBERNETES__NAMESPACE": "team-a",
        "MELON_KUBERNETES__IMAGE": "registry.example/worker:1",
        "MELON_KUBERNETES__TUNER_URL": "http://a:1",
        "MELON_KUBERNETES__REGISTRY_URL": "http://a:1",
        "MELON_KUBERNETES__INSTALLATION": "melon-1",
        "MELON_KUBERNETES__END_WITH_TUNER": "true",
        "MELON_KUBERNETES__PREFLIGHT": "true",
        "MELON_KUBERNETES__MAX_WORKERS": "5",
    }
    assert "MELON_KUBERNETES__MAX_WORKERS" not in found.environment("melon-1", "http://a:1", None)


def test_the_tuner_takes_what_it_is_told(
    kubeconfig: Path, address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from melonkube.tuner.settings import Settings

    found = find_cluster(
        advertise_address=address,
        namespace="mine",
        worker_image="i",
        workers=3,
        environ={"KUBECONFIG": str(kubeconfig)},
    )
    told = found.environment(Kept(tmp_path).installation, "http://10.0.0.1:8090", 3)
    plan = Plan(tmp_path, tmp_path / "key", {"tuner": "http://a"}, 3, None, "kubernetes", told)
    for name, value in plan.environment("tuner", 7, 1, {}).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.executor == "kubernetes"
    own = settings.kubernetes
    assert (own.namespace, own.image, own.max_workers) == ("mine", "i", 3)
    assert own.end_with_tuner
    assert own.preflight
    assert own.tuner_url == own.registry_url == "http://10.0.0.1:8090"


def test_kubeconfigs_in_the_order_they_are_listed(kubeconfig: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.write_text("current-context: elsewhere\ncontexts: [{name: here, context: {cluster: far}}]\nclusters: null\n")
    assert read_context([kubeconfig, second]) == ("here", "https://near.example:6443", "team-a")
    assert read_context([second, kubeconfig]) == ("elsewhere", "https://far.example", "default")


@pytest.mark.parametrize(
    "content", ["a: b", "current-context: x", "current-context: here\ncontexts: [1, {name: here}]", "- 1", "a: [", ""]
)
def test_a_kubeconfig_without_a_cluster(tmp_path: Path, content: str) -> None:
    file = tmp_path / "config"
    file.write_text(content)
    with pytest.raises(CommandError, match=re.escape(str(file))) as raised:
        read_context([file])
    assert raised.value.code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("127.0.0.1", "another place to each pod"),
        ("localhost:80", "another place to each pod"),
        ("0.0.0.0", "another place to each pod"),
        ("[::1]:80", "another place to each pod"),
        ("no such host", "is not an address"),
        ("10.0.0.1:99999", "is not an address"),
        ("http://10.0.0.1", "is not an address"),
        ("10.0.0.1/path", "is not an address"),
        ("a@10.0.0.1", "is not an address"),
        (":80", "is not an address"),
    ],
)
def test_addresses_that_no_pod_could_use(text: str, said: str) -> None:
    with pytest.raises(CommandError, match=said) as raised:
        parse_address(text)
    assert raised.value.code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("10.1.2.3", ("10.1.2.3", None)),
        ("10.1.2.3:0", ("10.1.2.3", None)),
        ("10.1.2.3:81", ("10.1.2.3", 81)),
        ("[fd00::1]:81", ("fd00::1", 81)),
    ],
)
def test_addresses_that_a_pod_can_use(text: str, meant: tuple[str, int | None]) -> None:
    assert parse_address(text) == meant


# The port and the name are kept


def test_a_data_directory_keeps_its_port_and_its_name(tmp_path: Path) -> None:
    first = Kept(tmp_path)
    assert first.port is None
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", first.installation)
    first.keep(8095)
    again = Kept(tmp_path)
    assert (again.port, again.installation) == (8095, first.installation)
    other = tmp_path / "other"
    other.mkdir()
    assert Kept(other).installation != first.installation


@pytest.mark.parametrize("content", ["", "[]", '{"door_port": "x", "installation": 1}', '{"door_port": 99999}'])
def test_a_broken_file_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "cluster.json").write_text(content)
    kept = Kept(tmp_path)
    assert kept.port is None
    assert kept.installation.startswith("melon-")


@pytest.fixture
def taken(address: str) -> Iterator[int]:
    with socket.create_server((address, 0)) as listener:
        yield listener.getsockname()[1]


def test_the_last_port_is_used_again_unless_it_is_taken(address: str, taken: int) -> None:
    with listen_for_workers(address, None, None) as first:
        port = first.getsockname()[1]
        assert port >= cluster.FIRST_PORT
    with listen_for_workers(address, None, port) as again:
        assert again.getsockname() == (address, port)
    with listen_for_workers(address, None, taken) as other:
        assert other.getsockname()[1] != taken


def test_a_port_that_was_asked_for_and_is_taken(address: str, taken: int) -> None:
    with pytest.raises(CommandError, match=f"Port {taken} of {address} is taken") as raised:
        listen_for_workers(address, taken, None)
    assert raised.value.code is ExitCode.CONFLICT


def test_an_address_of_another_machine(address: str) -> None:
    with pytest.raises(CommandError, match="is not an address of this machine") as raised:
        listen_for_workers("203.0.113.7", None, None)
    assert raised.value.code is ExitCode.USAGE


# What each process is told


def test_the_door_for_workers_is_told_nothing_it_has_no_use_for() -> None:
    plan = Plan(
        Path("/data"),
        Path("/data/token.key"),
        {"gateway": "http://g", "tuner": "http://t", "registry": "http://r", "worker-door": "http://w"},
        3,
        Path("/checkout"),
        "kubernetes",
        {"MELON_KUBERNETES__IMAGE": "i", "KUBECONFIG": "/k"},
    )
    given = {
        "PATH": "/bin",
        "DATABASE_URL": "postgresql://x",
        "MELON_DATABASE_URL": "postgresql://x",
        "MELON_GATEWAY__OWNER_KEY": "a key",
        "MELON_STORE__SECRET_KEY": "a secret",
        "MELON_LIMITS__ARTIFACT_BYTES": "5",
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    }
    assert plan.environment("worker-door", 7, 1, given) == {
        "PATH": "/bin",
        "MELON_LIMITS__ARTIFACT_BYTES": "5",
        "MELON_DATA_DIR": "/data/worker-door",
        "MELON_LISTEN__FD": "7",
        "MELON_TOKENS__KEY_FILE": "/data/token.key",
        "MELON_PARENT_PID": "1",
        "MELON_PEERS__TUNER": "http://t",
        "MELON_PEERS__REGISTRY": "http://r",
    }
    tuner = plan.environment("tuner", 7, 1, given)
    assert (tuner["MELON_EXECUTOR"], tuner["KUBECONFIG"]) == ("kubernetes", "/k")
    # In a pod of another cluster, this one would be taken for the one to use.
    assert "KUBERNETES_SERVICE_HOST" not in tuner
    assert not {"MELON_PEERS__WORKER-DOOR", "MELON_PEERS__GATEWAY"} & tuner.keys()
    assert "MELON_KUBERNETES__IMAGE" not in plan.environment("registry", 7, 1, given)


# The whole, before stand-ins of the services; the door is the real one


def options(kubeconfig: Path, address: str) -> dict[str, str]:
    return {
        "MELON_EXECUTOR": "kubernetes",
        "MELON_ADVERTISE_ADDRESS": address,
        "MELON_KUBERNETES__IMAGE": "worker:1",
        "KUBECONFIG": str(kubeconfig),
    }


def test_workers_have_a_door_that_stays_where_it_is(
    fakes: Fakes, tmp_path: Path, kubeconfig: Path, address: str
) -> None:
    environment = {**fakes.environment, **options(kubeconfig, address)}
    with Suite(tmp_path / "data", workers=4, environment=environment) as suite:
        door = suite.service_url("worker-door")
        assert door.startswith(f"http://{address}:")
        said = suite.console()
        assert f"https://near.example:6443 (context here), namespace team-a; they come in at {door}" in said
        (note,) = fakes.notes("start", "tuner")
        told = note["env"]
        assert told["MELON_EXECUTOR"] == "kubernetes"
        assert told["MELON_KUBERNETES__TUNER_URL"] == told["MELON_KUBERNETES__REGISTRY_URL"] == door
        assert told["MELON_KUBERNETES__END_WITH_TUNER"] == "true"
        assert told["MELON_KUBERNETES__MAX_WORKERS"] == "4"
        assert (
            json.loads((tmp_path / "data" / "cluster.json").read_text())["installation"]
            == (told["MELON_KUBERNETES__INSTALLATION"])
        )
        for name in ("gateway", "tuner", "registry", "serving"):
            assert suite.service_url(name).startswith("http://127.0.0.1:")

        key = TokenKey.from_pem(suite.token_key_file.read_bytes())
        worker = Principal("worker:1", DEFAULT_WORKSPACE, frozenset({SCOPE_WORKER}))
        headers = {"Authorization": f"Bearer {TokenSigner(key).sign(worker, 'tuner')}"}
        answer = httpx.get(f"{door}/worker/v1/setup", headers=headers)
        assert (answer.status_code, answer.text) == (200, str(suite.pids()["tuner"]))
        assert httpx.get(f"{door}/worker/v1/setup").status_code == 401

        before = suite.pids()["worker-door"]
        os.kill(before, signal.SIGKILL)
        assert httpx.get(f"{door}/worker/v1/setup", headers=headers, timeout=60).status_code == 200
        pids = suite.pids()
        assert pids["worker-door"] != before
    assert not [name for name, pid in pids.items() if alive(pid)]
    with Suite(tmp_path / "data", workers=None, environment=environment) as again:
        assert again.service_url("worker-door") == door
        renewed = fakes.notes("start", "tuner")[-1]["env"]
        assert renewed["MELON_KUBERNETES__INSTALLATION"] == told["MELON_KUBERNETES__INSTALLATION"]


def test_there_is_no_door_without_a_cluster(fakes: Fakes, tmp_path: Path) -> None:
    with Suite(tmp_path / "data", environment=fakes.environment) as suite:
        assert "worker-door" not in suite.pids()
        assert fakes.notes("start", "tuner")[0]["env"]["MELON_EXECUTOR"] == "local"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"MELON_KUBERNETES__IMAGE": ""}, "--worker-image"),
        ({"MELON_ADVERTISE_ADDRESS": ""}, "--advertise-address"),
        ({"MELON_ADVERTISE_ADDRESS": "203.0.113.7"}, "is not an address of this machine"),
        ({"MELON_KUBERNETES__NAMESPACE": "Not A Name"}, "is not the name of a namespace"),
        ({"KUBECONFIG": "/missing/config"}, "There is no kubeconfig at /missing/config"),
        ({"KUBECONFIG": "", "HOME": "/missing"}, "There is no kubeconfig at /missing/.kube/config"),
    ],
)
def test_what_is_missing_is_said_before_anything_starts(
    fakes: Fakes, tmp_path: Path, kubeconfig: Path, address: str, change: dict[str, str], said: str
) -> None:
    environment = {**options(kubeconfig, address), **change}
    with melon_up(fakes, "--data", str(tmp_path / "data"), "--port", "0", **environment) as process:
        assert said in rest(process)
        assert process.wait() == ExitCode.USAGE
    assert fakes.notes("start") == []


def test_options_say_the_same_as_settings(fakes: Fakes, tmp_path: Path, kubeconfig: Path, address: str) -> None:
    given = ["--executor", "kubernetes", "--advertise-address", address, "--namespace", "mine", "--worker-image", "w:2"]
    more = ["--data", str(tmp_path / "data"), "--port", "0"]
    with melon_up(fakes, *given, *more, KUBECONFIG=str(kubeconfig)) as process:
        assert "namespace mine" in read_until(process, "Workers run on Kubernetes")
        read_until(process, "MelonKube is ready")
        (note,) = fakes.notes("start", "tuner")
        assert note["env"]["MELON_KUBERNETES__IMAGE"] == "w:2"
        process.terminate()
        assert "MelonKube has stopped." in rest(process)
        assert process.wait() == ExitCode.OK
