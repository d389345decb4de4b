"""What is asked of the cluster for a worker: its Job, and the Secret with its experiment's token. Pure."""

import math
from base64 import b64encode
from dataclasses import replace
from typing import Any

from melonkube.contracts.workload import Toleration, WorkerSpec
from melonkube.tuner.executors.kubernetes import container_pod
from melonkube.tuner.executors.protocol import WorkerOrder
from melonkube.tuner.settings import KubernetesSettings

Object = dict[str, Any]

INSTANCE = "app.kubernetes.io/instance"
EXPERIMENT = "melonkube.io/experiment"
WORKSPACE = "melonkube.io/workspace"
WORKER = "melonkube.io/worker"

CONTAINER = "worker"
TOKEN_KEY = "token"  # noqa: S105 - the name of an entry
USER = 65532
_KEPT_SECONDS = 3600
"""A finished Job that nobody removed, because there is no tuner any more, goes by itself."""

_TMP_BYTES = 1 << 30


def labels(settings: KubernetesSettings) -> dict[str, str]:
    """Return the labels of every object of this installation's executor."""
    return {
        "app.kubernetes.io/name": "melonkube",
        "app.kubernetes.io/component": "worker",
        "app.kubernetes.io/managed-by": "melonkube-tuner",
        INSTANCE: settings.installation,
    }


def selector(settings: KubernetesSettings) -> str:
    """Return the selector that finds these objects."""
    return ",".join(f"{name}={value}" for name, value in labels(settings).items())


def secret_name(settings: KubernetesSettings, experiment_id: str) -> str:
    """Return the name of an experiment's Secret."""
    return f"{settings.installation}-experiment-{experiment_id}"[-63:].lstrip("-.")


def secret(settings: KubernetesSettings, experiment_id: str, workspace_id: str, token: str) -> Object:
    """Return the Secret that holds an experiment's token."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": secret_name(settings, experiment_id),
            "labels": {**labels(settings), EXPERIMENT: experiment_id, WORKSPACE: workspace_id},
        },
        "data": {TOKEN_KEY: b64encode(token.encode()).decode()},
    }


def job(settings: KubernetesSettings, order: WorkerOrder, addresses: tuple[str, str], grace_seconds: float) -> Object:
    """Return the Job of a worker: one incarnation, never repeated by Kubernetes.

    Args:
        settings: The installation's.
        order: The worker.
        addresses: Of tuner and registry, as pods reach them.
        grace_seconds: How long it may take to hand back its trial.
    """
    known = {
        **labels(settings),
        EXPERIMENT: order.experiment_id,
        WORKSPACE: order.workspace_id,
        WORKER: order.worker_id,
    }
    spec = order.spec
    queue = spec.queue or settings.queue
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": order.worker_id,
            "labels": {**known, **({"kueue.x-k8s.io/queue-name": queue} if queue else {})},
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            **({"suspend": True} if queue else {}),
            "template": {
                "metadata": {"labels": known},
                "spec": _pod(settings, order, addresses, math.ceil(grace_seconds)),
            },
        },
    }


_PREFLIGHT = """
import importlib.util, sys, urllib.error, urllib.request
if importlib.util.find_spec("melonkube") is None or importlib.util.find_spec("melonkube.trainer") is None:
    sys.exit("The worker's image does not hold MelonKube's trainer.")
for address in sys.argv[1:]:
    try:
        urllib.request.urlopen(address + "/healthz", timeout=10)
    except urllib.error.HTTPError:
        pass  # an answer, if only a refusal: it was reached
    except OSError as error:
        sys.exit(f"A pod does not reach {address}: {error}")
"""
PREFLIGHT = "melonkube.io/preflight"


def _preflight_labels(settings: KubernetesSettings) -> dict[str, str]:
    return {**labels(settings), "app.kubernetes.io/component": "preflight", PREFLIGHT: "true"}


def preflight_selector(settings: KubernetesSettings) -> str:
    """Return the selector that finds the preflight pods of this installation."""
    return ",".join(f"{name}={value}" for name, value in _preflight_labels(settings).items())


def preflight(settings: KubernetesSettings, name: str, addresses: tuple[str, str]) -> Object:
    """Return the pod that shows that the image is there, and that pods reach tuner and registry."""
    order = WorkerOrder(name, "", "none", "", "1")
    body = _pod(settings, order, addresses, 0)
    [container] = body["containers"]
    container["command"] = [settings.command[0], "-c", _PREFLIGHT, *dict.fromkeys(addresses)]
    container["env"] = [each for each in container["env"] if "valueFrom" not in each]
    known = _preflight_labels(settings)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": known}, "spec": body}


def _pod(settings: KubernetesSettings, order: WorkerOrder, addresses: tuple[str, str], grace: int) -> Object:
    spec = order.spec
    pull = [{"name": name} for name in dict.fromkeys([*settings.image_pull_secrets, *spec.image_pull_secrets])]
    selected = {**settings.node_selector, **spec.node_selector}
    priority = spec.priority_class or settings.priority_class
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": _tolerations(settings, spec),
        **({"imagePullSecrets": pull} if pull else {}),
        **({"nodeSelector": selected} if selected else {}),
        **({"priorityClassName": priority} if priority else {}),
        **_containers(settings, order, addresses),
    }


def _containers(settings: KubernetesSettings, order: WorkerOrder, addresses: tuple[str, str]) -> Object:
    """Return a pod's containers and volumes: our worker alone, or an image of the user's with ours beside it."""
    spec, container = order.spec, order.container
    ours = {
        "name": CONTAINER,
        "image": spec.image or settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": settings.command,
        "env": _environment(settings, order, addresses, "/cache"),
        "envFrom": [{"secretRef": {"name": name}} for name in spec.secrets],
        "resources": resources(settings, spec),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "cache", "mountPath": "/cache"}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }
    if container is None:
        volumes = [
            {"name": "cache", "emptyDir": {"sizeLimit": str(settings.cache_bytes)}},
            {"name": "tmp", "emptyDir": {"sizeLimit": str(_TMP_BYTES)}},
        ]
        return {"containers": [ours], "volumes": volumes}
    # Variables and secrets are for the user's container; a larger memory is for preparing the data, too.
    plain = spec.model_copy(update={"env": {}, "secrets": [], "gpu": None, "cpu": None})
    memory = max(spec.memory_bytes or 0, settings.memory_bytes)
    ours |= {
        "env": _environment(settings, replace(order, spec=plain), addresses, f"{container_pod.OWN}/cache"),
        "envFrom": [],
        "resources": resources(settings, plain.model_copy(update={"memory_bytes": memory})),
    }
    first, theirs = container_pod.containers(container, spec, ours, resources(settings, spec), USER)
    volumes = container_pod.volumes(settings.cache_bytes, _TMP_BYTES)
    return {"initContainers": first, "containers": [theirs], "volumes": volumes}


def resources(settings: KubernetesSettings, spec: WorkerSpec) -> Object:
    """Return what a worker's container asks for and may use. Processor time is not capped, only shared."""
    memory = str(spec.memory_bytes or settings.memory_bytes)
    cpu = f"{math.ceil((spec.cpu or settings.cpu) * 1000)}m"
    gpu = {settings.gpu_resource: str(spec.gpu)} if spec.gpu else {}
    return {"requests": {"cpu": cpu, "memory": memory, **gpu}, "limits": {"memory": memory, **gpu}}


def _environment(
    settings: KubernetesSettings, order: WorkerOrder, addresses: tuple[str, str], cache: str
) -> list[Object]:
    tuner, registry = addresses
    ours = {
        "MELON_WORKER_ID": order.worker_id,
        "MELON_TUNER_URL": tuner,
        "MELON_REGISTRY_URL": registry,
        "MELON_CACHE_DIR": cache,
        "MELON_CACHE_BYTES": str(settings.cache_bytes // 2),
        "MELON_WORKER_TRIALS": order.trials,
        "MELON_WORKER_SILENCE_SECONDS": str(settings.silence_seconds),
        "PYTHONUNBUFFERED": "1",
        "HOME": "/tmp",  # noqa: S108 - an own, empty volume
        **({"MELON_REQUEST_ID": order.request_id} if order.request_id else {}),
    }
    source = {"secretKeyRef": {"name": secret_name(settings, order.experiment_id), "key": TOKEN_KEY}}
    return [
        *({"name": name, "value": value} for name, value in {**order.spec.env, **ours}.items()),
        {"name": "MELON_WORKER_TOKEN", "valueFrom": source},
    ]


def _tolerations(settings: KubernetesSettings, spec: WorkerSpec) -> list[Object]:
    given = [_toleration(each) for each in [*settings.tolerations, *spec.tolerations]]
    lost = [
        {
            "key": f"node.kubernetes.io/{state}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": settings.node_lost_seconds,
        }
        for state in ("not-ready", "unreachable")
    ]
    return [*given, *lost]


def _toleration(given: Toleration) -> Object:
    fields = {
        "key": given.key,
        "operator": given.operator,
        "value": given.value,
        "effect": given.effect,
        "tolerationSeconds": given.toleration_seconds,
    }
    return {name: value for name, value in fields.items() if value is not None}
