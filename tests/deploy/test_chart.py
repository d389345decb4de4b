"""The chart: that it renders, what every pod keeps to, and what it refuses. No cluster."""

import base64
from typing import Any

import pytest

from melonkube.kit.tokens import TokenKey
from tests.deploy.chart import (
    CHART,
    NAMESPACE,
    RELEASE,
    VARIATIONS,
    environment,
    helm,
    needs_helm,
    of_kind,
    pods,
    render,
    values,
)

pytestmark = needs_helm

every_variation = pytest.mark.parametrize("variation", VARIATIONS)


@every_variation
def test_lint_has_nothing_to_say(variation: str) -> None:
    done = helm("lint", "--strict", CHART, *values(variation))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout
    assert "[ERROR]" not in done.stdout


@every_variation
def test_every_pod_keeps_to_the_restricted_standard(variation: str) -> None:
    found = dict(pods(render(variation)))
    assert {"gateway", "registry", "tuner", "serving", "test", "migrations"} <= set(found)
    for component, spec in found.items():
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, component
        assert security["runAsUser"] == (999 if component == "postgresql" else 65532)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not spec.get("hostNetwork", False)
        for volume in spec.get("volumes", []):
            assert set(volume) - {"name"} <= {"emptyDir", "secret", "persistentVolumeClaim"}
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["readOnlyRootFilesystem"] is True
            assert own["capabilities"] == {"drop": ["ALL"]}


@every_variation
def test_every_container_says_what_it_needs_and_how_it_is(variation: str) -> None:
    for component, spec in pods(render(variation)):
        assert spec["enableServiceLinks"] is False, "a Service's variables could be taken for settings"
        for container in spec["containers"]:
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]
            assert container["imagePullPolicy"]
            assert not container["image"].endswith(":latest")
            if component in ("test", "migrations"):
                continue
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
            assert spec["terminationGracePeriodSeconds"] >= 45
            assert {each["topologyKey"] for each in spec["topologySpreadConstraints"]} == {
                "kubernetes.io/hostname",
                "topology.kubernetes.io/zone",
            }


@every_variation
def test_only_a_tuner_that_calls_the_cluster_has_a_token(variation: str) -> None:
    for component, spec in pods(render(variation)):
        assert spec["automountServiceAccountToken"] is (component == "tuner" and variation != "local")


@every_variation
def test_nothing_is_lost_while_pods_are_replaced(variation: str) -> None:
    deployments = of_kind(render(variation), "Deployment")
    for name in ("gateway", "serving"):
        spec = deployments[name]["spec"]
        assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
        pod = spec["template"]["spec"]
        drain = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        shutdown = float(environment(pod)["MELON_LISTEN__SHUTDOWN_SECONDS"])
        assert drain > 0
        assert drain + shutdown < pod["terminationGracePeriodSeconds"]
        # A service that is away must neither close the door nor silence predictions.
        assert pod["containers"][0]["readinessProbe"]["httpGet"]["path"] == "/healthz"
    (wait,) = deployments["serving"]["spec"]["template"]["spec"]["initContainers"]
    assert wait["command"][-1] == f"http://{deployments['registry']['metadata']['name']}:8080/readyz"
    assert deployments["tuner"]["spec"]["strategy"] == {"type": "Recreate"}
    assert deployments["tuner"]["spec"]["replicas"] == 1
    registry = deployments["registry"]["spec"]
    in_a_bucket = environment(registry["template"]["spec"])["MELON_STORE__KIND"] == "s3"
    assert registry["strategy"]["type"] == ("RollingUpdate" if in_a_bucket else "Recreate")
    assert registry["replicas"] == 1 or in_a_bucket


@every_variation
def test_schemas_are_brought_up_to_date_before_anything_is_replaced(variation: str) -> None:
    objects = render(variation)
    job = of_kind(objects, "Job")["migrations"]
    hooks = set(job["metadata"]["annotations"]["helm.sh/hook"].split(","))
    own_database = "StatefulSet" in {each["kind"] for each in objects}
    assert hooks == ({"pre-upgrade"} if own_database else {"pre-install", "pre-upgrade"})
    found = dict(pods(objects))
    for container in found["migrations"]["containers"]:
        service = container["name"]
        assert container["command"] == ["python", "-m", "melonkube.kit.migrate", service]
        assert container["image"] == found[service]["containers"][0]["image"]
        address = environment(found[service])["DATABASE_URL"]
        assert environment({"containers": [container]}) == {"DATABASE_URL": address}


@every_variation
def test_a_scaler_and_a_fixed_number_do_not_quarrel(variation: str) -> None:
    objects = render(variation)
    scalers = of_kind(objects, "HorizontalPodAutoscaler")
    deployments = of_kind(objects, "Deployment")
    assert set(scalers) == (set() if variation == "local" else {"gateway", "serving"})
    for name in ("gateway", "serving"):
        assert ("replicas" in deployments[name]["spec"]) is (name not in scalers)
        if name in scalers:
            assert scalers[name]["spec"]["scaleTargetRef"]["name"] == deployments[name]["metadata"]["name"]
            assert scalers[name]["spec"]["behavior"]["scaleDown"] == {"stabilizationWindowSeconds": 300}
            assert deployments[name]["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"]
    assert {name: each["spec"]["maxUnavailable"] for name, each in of_kind(objects, "PodDisruptionBudget").items()} == {
        "gateway": 1,
        "serving": 1,
    }


@every_variation
def test_services_choose_the_pods_of_their_component(variation: str) -> None:
    objects = render(variation)
    templates = {
        name: each["spec"]["template"]["metadata"]["labels"]
        for kind in ("Deployment", "StatefulSet")
        for name, each in of_kind(objects, kind).items()
    }
    services = of_kind(objects, "Service")
    pods_of_serving = services.pop("pods")
    assert pods_of_serving["spec"]["clusterIP"] == "None", "the gateway must see each pod's own address"
    assert pods_of_serving["spec"]["selector"] == services["serving"]["spec"]["selector"]
    peer = environment(dict(pods(objects))["gateway"])["MELON_PEERS__SERVING"]
    assert peer == f"http://{pods_of_serving['metadata']['name']}:8080"
    assert set(services) == set(templates)
    for name, service in services.items():
        chosen = [other for other, labels in templates.items() if service["spec"]["selector"].items() <= labels.items()]
        assert chosen == [name]
    for kind in ("Deployment", "StatefulSet"):
        for each in of_kind(objects, kind).values():
            assert (
                each["spec"]["selector"]["matchLabels"].items()
                <= each["spec"]["template"]["metadata"]["labels"].items()
            )


@every_variation
def test_every_object_says_where_it_belongs(variation: str) -> None:
    for each in render(variation):
        if each["kind"] in ("ClusterRole", "ClusterRoleBinding"):
            assert each["metadata"]["name"].startswith(f"{NAMESPACE}-")
        else:
            assert each["metadata"]["namespace"] in (NAMESPACE, "melon-workers" if variation == "pool" else NAMESPACE)


def test_the_tuners_rights_are_these_and_no_others() -> None:
    objects = render("default")
    assert [each["kind"] for each in objects if each["kind"].startswith("ClusterRole")] == []
    rights = {
        (resource, verb)
        for rule in of_kind(objects, "Role")["tuner"]["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert rights == {
        *(("jobs", verb) for verb in ("create", "get", "list", "watch", "delete")),
        *(("pods", verb) for verb in ("get", "list", "watch", "delete")),
        ("pods/log", "get"),
        *(("secrets", verb) for verb in ("create", "get", "patch", "delete")),
    }


def test_rights_go_where_workers_run() -> None:
    objects = render("pool")
    assert of_kind(objects, "Role")["tuner"]["metadata"]["namespace"] == "melon-workers"
    binding = of_kind(objects, "RoleBinding")["tuner"]
    assert binding["metadata"]["namespace"] == "melon-workers"
    assert binding["subjects"][0]["namespace"] == "melon-test"
    (cluster,) = [each for each in objects if each["kind"] == "ClusterRole"]
    assert cluster["rules"] == [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    ]


def test_processes_inside_the_tuner_need_no_rights() -> None:
    objects = render("local")
    assert not {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"} & {each["kind"] for each in objects}


def _callers(policy: dict[str, Any]) -> set[str]:
    return {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for rule in policy["spec"]["ingress"]
        for peer in rule.get("from", [])
        if "podSelector" in peer
    }


def test_who_may_call_whom() -> None:
    policies = of_kind(render("default"), "NetworkPolicy")
    assert "from" not in policies["gateway"]["spec"]["ingress"][0]
    assert _callers(policies["registry"]) == {"gateway", "tuner", "serving", "worker"}
    assert _callers(policies["tuner"]) == {"gateway", "serving", "worker"}
    assert _callers(policies["serving"]) == {"gateway"}
    assert _callers(policies["postgresql"]) == {"registry", "tuner", "serving", "migrations"}
    worker = policies["worker"]["spec"]
    assert worker["ingress"] == []
    assert set(worker["policyTypes"]) == {"Ingress", "Egress"}
    services, names = worker["egress"]
    reached = {peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in services["to"]}
    assert reached == {"registry", "tuner"}
    assert {port["port"] for port in names["ports"]} == {53}


def test_names_may_be_answered_on_other_ports() -> None:
    policies = of_kind(render("default", "--set", "networkPolicy.dnsPorts={53,5353}"), "NetworkPolicy")
    _, names = policies["worker"]["spec"]["egress"]
    asked = [(each["port"], each["protocol"]) for each in names["ports"]]
    assert asked == [(port, protocol) for port in (53, 5353) for protocol in ("UDP", "TCP")]


def test_workers_are_let_in_from_their_own_namespace_alone() -> None:
    policies = of_kind(render("pool"), "NetworkPolicy")
    assert policies["worker"]["metadata"]["namespace"] == "melon-workers"
    (peer,) = [each for each in policies["tuner"]["spec"]["ingress"][0]["from"] if "namespaceSelector" in each]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "melon-workers"}
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == RELEASE


def test_secrets_made_by_the_chart_are_of_use_and_outlive_it() -> None:
    secrets = of_kind(render("default"), "Secret")
    assert set(secrets) == {"tokens", "owner", "postgresql"}
    assert all(each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for each in secrets.values())
    pem = base64.b64decode(secrets["tokens"]["data"]["token-key.pem"])
    assert TokenKey.from_pem(pem).to_pem() == pem
    assert len(base64.b64decode(secrets["owner"]["data"]["owner-key"])) >= 32
    password = base64.b64decode(secrets["postgresql"]["data"]["password"]).decode()
    url = base64.b64decode(secrets["postgresql"]["data"]["url"]).decode()
    assert url == f"postgresql://melon:{password}@try-melonkube-postgresql:5432/melon"
    again = of_kind(render("default"), "Secret")
    assert again["owner"]["data"] != secrets["owner"]["data"]


def test_secrets_made_elsewhere_are_used_and_none_is_made() -> None:
    objects = render("external")
    assert of_kind(objects, "Secret") == {}
    assert "StatefulSet" not in {each["kind"] for each in objects}
    assert "PersistentVolumeClaim" not in {each["kind"] for each in objects}
    found = dict(pods(objects))
    assert environment(found["gateway"])["MELON_GATEWAY__OWNER_KEY"] == "melon-owner/owner-key"
    assert environment(found["registry"])["DATABASE_URL"] == "melon-database/address"
    assert environment(found["registry"])["MELON_STORE__SECRET_KEY"] == "melon-bucket/secret-key"
    (tokens,) = [each for each in found["serving"]["volumes"] if each["name"] == "tokens"]
    assert tokens["secret"]["secretName"] == "melon-tokens"


def test_secrets_reach_only_those_who_need_them() -> None:
    for component, spec in pods(render("external")):
        if component == "test":
            continue
        if component == "migrations":
            assert {each["name"]: set(environment({"containers": [each]})) for each in spec["containers"]} == {
                service: {"DATABASE_URL"} for service in ("registry", "tuner", "serving")
            }
            continue
        given = environment(spec)
        assert ("MELON_GATEWAY__OWNER_KEY" in given) is (component == "gateway")
        assert ("DATABASE_URL" in given) is (component != "gateway")
        assert ("MELON_STORE__SECRET_KEY" in given) is (component == "registry")


def test_what_outlives_the_release() -> None:
    claim = of_kind(render("default"), "PersistentVolumeClaim")["registry"]
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_a_monitor_finds_the_three_services() -> None:
    objects = render("watched", "--api-versions", "monitoring.coreos.com/v1")
    (monitor,) = [each for each in objects if each["kind"] == "ServiceMonitor"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    (expression,) = monitor["spec"]["selector"]["matchExpressions"]
    found = {
        name
        for name, each in of_kind(objects, "Service").items()
        if monitor["spec"]["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
        and each["metadata"]["labels"][expression["key"]] in expression["values"]
    }
    assert found == {"registry", "tuner", "serving"}
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}} in of_kind(
        objects, "NetworkPolicy"
    )["serving"]["spec"]["ingress"][0]["from"]


def test_an_ingress_leads_to_the_gateway_under_a_name_it_knows() -> None:
    objects = render("external")
    (ingress,) = [each for each in objects if each["kind"] == "Ingress"]
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service = of_kind(objects, "Service")["gateway"]
    assert backend["name"] == service["metadata"]["name"]
    assert backend["port"]["name"] == service["spec"]["ports"][0]["name"]
    hosts = environment(dict(pods(objects))["gateway"])["MELON_GATEWAY__HOSTS"].split(",")
    assert {"melon.example", "melon.internal:8443", "try-melonkube-gateway.melon-test.svc"} <= set(hosts)


def test_a_long_name_stays_a_name() -> None:
    objects = render("default", "--set", f"fullnameOverride={'a' * 40}")
    assert max(len(each["metadata"]["name"]) for each in objects) <= 63


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("gateway.foo=1", "gateway"),
        ("unknown=1", "unknown"),
        ("gateway.replicas=-1", "replicas"),
        ("gateway.service.port=0", "port"),
        ("gateway.service.type=Open", "type"),
        ("tuner.executor=slurm", "executor"),
        ("workers.memory=1G", "memory"),
        ("workers.cpu=0", "cpu"),
        ("storage.kind=nfs", "kind"),
        ("storage.kind=s3", "bucket"),
        ("hosts={http://melon.example}", "hosts"),
        ("settings.LOG_LEVEL=x", "LOG_LEVEL"),
        ("settings.MELON_PEERS__TUNER=x", "MELON_PEERS__TUNER"),
        ("gateway.settings.MELON_GATEWAY__OWNER_KEY=x", "OWNER_KEY"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("serviceMonitor.interval=often", "interval"),
        ("registry.replicas=2", "storage.kind: s3"),
        ("postgresql.enabled=false", "database.existingSecret"),
        ("ingress.enabled=true", "ingress.host"),
    ],
)
def test_values_of_no_use_are_refused(given: str, said: str) -> None:
    done = helm("template", RELEASE, CHART, "--kube-version", "1.33", "--set", given)
    assert done.returncode != 0
    assert said in done.stderr


def _notes(*arguments: str) -> str:
    done = helm("install", RELEASE, CHART, "--dry-run=client", "--namespace", "melon-test", *arguments)
    if "cluster unreachable" in done.stderr:
        pytest.skip("this Helm (3) asks a cluster even for a dry run, and there is none")
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("NOTES:")[2]


def test_what_the_notes_say() -> None:
    notes = _notes(*values("external"))
    assert "https://melon.example" in notes
    assert "get secret melon-owner" in notes
    assert "metricsFrom" not in notes + _notes(*values("watched"))
    assert "metricsFrom" in _notes("--set", "serviceMonitor.enabled=true"), "policies would keep Prometheus out"
