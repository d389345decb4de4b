"""How each kind of thing looks as a row or as a summary. Pure but for what it is given."""

import shlex
from typing import TYPE_CHECKING

from melonkube.sdk.cli import text
from melonkube.sdk.cli.output import Field

if TYPE_CHECKING:
    from melonkube.contracts.datasets import Dataset
    from melonkube.contracts.endpoints import Endpoint
    from melonkube.contracts.experiments import ExecutorInfo, Experiment, NodeInfo, Trial, TrialResult
    from melonkube.contracts.models import Model
    from melonkube.contracts.workload import ContainerSpec, WorkerSpec

DATASETS: "list[Field[Dataset]]" = [
    Field("name", lambda item: item.name),
    Field("version", lambda item: str(item.version), right=True),
    Field("state", lambda item: item.state),
    Field("rows", lambda item: "" if item.rows is None else f"{item.rows:,}", right=True),
    Field("columns", lambda item: str(len(item.columns)) if item.columns else "", right=True),
    Field("size", lambda item: text.size(item.size_bytes), right=True),
    Field("created", lambda item: text.moment(item.created_at)),
    Field("id", lambda item: item.id),
]

EXPERIMENTS: "list[Field[Experiment]]" = [
    Field("name", lambda item: item.name),
    Field("state", lambda item: item.state),
    Field("trials", lambda item: trials_done(item), right=True),
    Field("metric", lambda item: item.metric),
    Field("best", lambda item: text.number(item.best.value) if item.best else "", right=True),
    Field("holdout", lambda item: text.number(item.best.holdout_value) if item.best else "", right=True),
    Field("data set", lambda item: f"{item.dataset_name}:{item.dataset_version}"),
    Field("target", lambda item: item.target),
    Field("created", lambda item: text.moment(item.created_at)),
    Field("id", lambda item: item.id),
]

TRIALS: "list[Field[Trial]]" = [
    Field("number", lambda item: str(item.number), right=True),
    Field("state", lambda item: item.state),
    Field("value", lambda item: text.number(item.value), right=True),
    Field("took", lambda item: text.seconds(item.duration_seconds), right=True),
    Field("attempt", lambda item: str(item.attempt), right=True),
    Field("cause", lambda item: item.cause or ""),
    Field("source", lambda item: item.source),
    Field("params", lambda item: text.params(item.params)),
]

MODELS: "list[Field[Model]]" = [
    Field("name", lambda item: item.name),
    Field("versions", lambda item: str(item.versions), right=True),
    Field("latest", lambda item: str(item.latest_version or ""), right=True),
    Field("aliases", lambda item: ", ".join(f"{alias}={version}" for alias, version in item.aliases.items())),
    Field("created", lambda item: text.moment(item.created_at)),
]

ENDPOINTS: "list[Field[Endpoint]]" = [
    Field("name", lambda item: item.name),
    Field("state", lambda item: item.state),
    Field("model", lambda item: item.model or ""),
    Field("version", lambda item: str(item.version or ""), right=True),
    Field("target", lambda item: endpoint_target(item)),
    Field("updated", lambda item: text.moment(item.updated_at)),
]

NODES: "list[Field[NodeInfo]]" = [
    Field("node", lambda item: item.name),
    Field("state", lambda item: node_state(item)),
    Field("workers", lambda item: str(item.workers), right=True),
    Field("cpu left", lambda item: f"{text.number(item.free_cpu, 4)} of {text.number(item.cpu, 4)}", right=True),
    Field(
        "memory left",
        lambda item: f"{text.size(item.free_memory_bytes)} of {text.size(item.memory_bytes)}",
        right=True,
    ),
    Field("gpu left", lambda item: f"{item.free_gpu} of {item.gpu}", right=True),
]


def node_state(item: "NodeInfo") -> str:
    """Return whether a node takes workers, and if not, why."""
    if not item.ready:
        return "not ready"
    return "ready" if item.schedulable else "takes no pods"


def executor(item: "ExecutorInfo") -> str:
    """Return on one line where workers run and how many."""
    where = f"{item.name}, namespace {item.namespace}" if item.namespace else item.name
    bound = "" if item.slots is None else f" of {item.slots}"
    hidden = "" if item.nodes is not None or item.namespace is None else "; its nodes cannot be seen"
    return f"Workers: {item.busy}{bound} at work ({where}){hidden}"


def worker(item: "WorkerSpec") -> str:
    """Return on one line what each worker was given; nothing where nothing was said."""
    given = {
        "cpu": text.number(item.cpu),
        "memory": text.size(item.memory_bytes),
        "gpu": "" if item.gpu is None else str(item.gpu),
        "image": item.image or "",
        "nodes": ", ".join(f"{label}={value}" for label, value in item.node_selector.items()),
        "priority class": item.priority_class or "",
        "queue": item.queue or "",
        "env": ", ".join(item.env),
        "secrets": ", ".join(item.secrets),
    }
    return "; ".join(f"{name} {value}" for name, value in given.items() if value)


def container(item: "ContainerSpec") -> str:
    """Return on one line the image and the command of a trial."""
    return f"{item.image}: {shlex.join(item.command)}"


def trials_done(item: "Experiment") -> str:
    """Return the trials that count, of how many the budget allows."""
    done = finished(item)
    return str(done) if item.trials.total is None else f"{done}/{item.trials.total}"


def finished(item: "Experiment") -> int:
    """Return how many trials count against the budget."""
    return item.trials.completed + item.trials.pruned + item.trials.failed


def endpoint_target(item: "Endpoint") -> str:
    """Return what an endpoint was asked for, and how far that is."""
    target = item.target
    what = f"{target.model}@{target.alias}" if target.alias else f"{target.model}:{target.version}"
    return f"{what} ({target.state})" + (f": {target.reason}" if target.reason else "")


def dataset(item: "Dataset") -> dict[str, str]:
    """Return the summary of a data set."""
    return {
        "data set": f"{item.name}:{item.version}",
        "state": item.state,
        "rows": "" if item.rows is None else f"{item.rows:,}",
        "columns": ", ".join(f"{column.name} ({column.kind})" for column in item.columns),
        "left out": ", ".join(f"{c.name} ({c.reason or c.role})" for c in item.columns if c.role != "feature"),
        "read as": ", ".join(filter(None, (item.format, item.encoding))),
        "size": text.size(item.size_bytes),
        "warnings": " ".join(item.warnings),
        "id": item.id,
    }


def experiment(item: "Experiment") -> dict[str, str]:
    """Return the summary of an experiment: how it ended, its winner, and how much better than the defaults that is."""
    lines = {
        "experiment": item.name,
        "state": item.state + (f": {item.reason}" if item.reason else ""),
        "data set": f"{item.dataset_name}:{item.dataset_version}",
        "target": f"{item.target} ({item.task})",
        "trials": trials_done(item) + (f", {item.trials.failed} failed" if item.trials.failed else ""),
        "time": text.seconds(item.elapsed_seconds),
        "container": "" if item.container is None else container(item.container),
        "each worker": worker(item.worker),
        "warnings": " ".join(item.warnings),
    }
    if item.best is not None:
        lines["winner"] = f"trial {item.best.number}: {_score(item, item.best)}"
        lines["parameters"] = text.params(item.best.params)
    if item.baseline is not None:
        lines["defaults"] = _score(item, item.baseline)
    lines["id"] = item.id
    return lines


def _score(item: "Experiment", result: "TrialResult") -> str:
    said = f"{item.metric} {text.number(result.value)}"
    if result.holdout_value is not None:
        said += f", on rows the search never saw {text.number(result.holdout_value)}"
    return said


def endpoint(item: "Endpoint") -> dict[str, str]:
    """Return the summary of an endpoint."""
    return {
        "endpoint": item.name,
        "state": item.state,
        "answers with": f"{item.model}:{item.version}" if item.model else "",
        "digest": item.digest or "",
        "target": endpoint_target(item),
    }
