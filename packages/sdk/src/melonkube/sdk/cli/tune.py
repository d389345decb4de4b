"""``tune``: upload a table where needed, start an experiment, watch it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from melonkube.sdk.cli.errors import CommandError, ExitCode
from melonkube.sdk.cli.output import Format, OutputOption, print_item, say
from melonkube.sdk.cli.session import connect, find_dataset

if TYPE_CHECKING:
    from melonkube.contracts.experiments import Experiment
    from melonkube.sdk.client import Client

_NOBODY = "00000000-0000-7000-8000-000000000000"
"""Stands for the data set while the rest of an experiment is checked, before anything is uploaded."""


_COMMAND = "melonkube.command"
"""Where, in a context, the words after ``--`` are kept."""


class _WithCommand(TyperCommand):
    """Takes what follows ``--`` for the command of a container, whatever it looks like."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Divide the words at the first ``--``."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[_COMMAND] = args[at + 1 :]
            args = args[:at]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=_WithCommand, options_metavar="[OPTIONS]", epilog=_EPILOG)(tune)


_EPILOG = "After -- stands the command of a trial in a container, such as: -- python train.py --lr={{params.lr}}"


def tune(
    context: typer.Context,
    data: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="CSV, TSV or Parquet; or the name or id of a data set.")
    ] = None,
    target: Annotated[str | None, typer.Option("--target", "-t", help="Column to predict.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the experiment.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="binary, multiclass or regression.")] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="auc, logloss, accuracy, f1_macro, rmse, mae or r2.")
    ] = None,
    algorithm: Annotated[str | None, typer.Option("--algorithm", help="tpe or random.")] = None,
    trials: Annotated[int | None, typer.Option("--trials", help="Trials at most.", min=1)] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Seconds at most.")] = None,
    parallelism: Annotated[int | None, typer.Option("--parallelism", help="Trials at once.", min=1)] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The same seed repeats a search.", min=0)] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="COLUMN", help="Leave a column out; may be repeated.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="COLUMN=KIND", help="Read a column as another kind; may be repeated."),
    ] = None,
    space: Annotated[Path | None, typer.Option("--space", help="Search space: YAML or JSON.")] = None,
    cpu: Annotated[str | None, typer.Option("--cpu", help="Cores a worker, such as 2 or 500m.")] = None,
    memory: Annotated[str | None, typer.Option("--memory", help="Memory a worker, such as 2Gi or 500M.")] = None,
    gpu: Annotated[int | None, typer.Option("--gpu", help="GPUs a worker.", min=0)] = None,
    image: Annotated[str | None, typer.Option("--image", help="Image of the workers.")] = None,
    node_selector: Annotated[
        list[str] | None,
        typer.Option("--node-selector", metavar="LABEL=VALUE", help="Nodes workers may run on; may be repeated."),
    ] = None,
    priority_class: Annotated[
        str | None, typer.Option("--priority-class", help="PriorityClass of the workers.")
    ] = None,
    queue: Annotated[str | None, typer.Option("--queue", help="Kueue queue of the workers.")] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME=VALUE", help="Environment variable of the workers; may be repeated."),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            "--secret", metavar="NAME", help="Secret whose entries workers get as variables; may be repeated."
        ),
    ] = None,
    container: Annotated[
        str | None,
        typer.Option("--container", metavar="IMAGE", help="An image of yours that trials run in; command after --."),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Experiment: YAML or JSON; options win.")] = None,
    watch: Annotated[bool, typer.Option("--watch/--no-watch", help="Return when it has ended, or at once.")] = True,
    output: OutputOption = Format.TABLE,
) -> None:
    """Tune a model on a table: start an experiment and watch it until it has ended.

    Ctrl-C leaves the experiment running.
    """
    from melonkube.sdk.cli import show
    from melonkube.sdk.cli.experiment_file import merge, parse_kinds, read_mapping
    from melonkube.sdk.cli.worker_options import merge_container, merge_worker, parse_cpu, parse_memory, parse_pairs

    content = {} if file is None else read_mapping(file, "an experiment")
    source = _source(data, content, file)
    options: dict[str, Any] = {
        "target": target,
        "name": name,
        "task": task,
        "metric": metric,
        "algorithm": algorithm,
        "parallelism": parallelism,
        "seed": seed,
        "search_space": None if space is None else read_mapping(space, "a search space"),
    }
    worker = {
        "cpu": None if cpu is None else parse_cpu(cpu),
        "memory_bytes": None if memory is None else parse_memory(memory),
        "gpu": gpu,
        "image": image,
        "node_selector": parse_pairs("--node-selector", node_selector or []),
        "priority_class": priority_class,
        "queue": queue,
        "env": parse_pairs("--env", env or []),
        "secrets": secret or [],
    }
    options["worker"] = merge_worker(content.pop("worker", None), worker) or None
    options["container"] = merge_container(content.pop("container", None), container, context.meta.get(_COMMAND))
    budget = {"max_trials": trials, "max_seconds": seconds}
    fields = merge(content, options, ignore or [], parse_kinds(kind or []), budget)
    _check(fields)
    with connect(context) as client:
        dataset_id = _dataset_id(client, source)
        experiment = client.experiments.create(dataset_id, **fields)
        say(f"Experiment {experiment.name!r} has started ({experiment.id}).")
        if watch:
            experiment = _watch(client, experiment)
    print_item(experiment, show.experiment(experiment), output)
    if watch:
        _judge(experiment, output)


def _source(data: str | None, content: dict[str, Any], file: Path | None) -> str | Path:
    """Return the table: a file, or the id or name of a data set. A path in an experiment file is relative to that."""
    given = content.pop("dataset", None)
    given_id = content.pop("dataset_id", None)
    if data is not None:
        return Path(data) if _looks_like_file(Path(data)) else data
    if given_id is not None:
        return str(given_id)
    if given is None or file is None:
        raise CommandError("Say what to tune on: a FILE, or `dataset:` in an experiment file.", ExitCode.USAGE)
    path = file.parent / str(given)
    return path if _looks_like_file(path) else str(given)


def _looks_like_file(path: Path) -> bool:
    return path.exists() or path.suffix.lower() in {".csv", ".tsv", ".tab", ".txt", ".psv", ".parquet", ".pq"}


def _check(fields: dict[str, Any]) -> None:
    """Check what can be checked before a large file is uploaded.

    Raises:
        CommandError: There is no target.
        InvalidInput: A field cannot be right.
    """
    from melonkube.contracts.experiments import ExperimentCreate
    from melonkube.sdk._bodies import build

    if fields.get("target") is None:
        raise CommandError("Say which column to predict: --target COLUMN.", ExitCode.USAGE)
    build(ExperimentCreate, {**fields, "dataset_id": _NOBODY})


def _dataset_id(client: "Client", source: str | Path) -> str:
    from melonkube.sdk.cli.upload import send

    return send(client, source).id if isinstance(source, Path) else find_dataset(client, source).id


def _watch(client: "Client", experiment: "Experiment") -> "Experiment":
    from melonkube.sdk.cli.progress import tuning

    said: set[str] = set()

    def tell(now: "Experiment") -> None:
        # Said where nobody looks on, too: a job's log must show why the job does not end.
        if now.reason is not None and now.state in ("queued", "running") and now.reason not in said:
            said.add(now.reason)
            say(f"Waiting: {now.reason}")
        if update is not None:
            update(now)

    try:
        with tuning() as update:
            return client.experiments.wait(experiment.id, tell)
    except KeyboardInterrupt:
        raise CommandError(
            f"Experiment {experiment.name!r} goes on without you; `melon stop {experiment.id}` ends it.",
            ExitCode.INTERRUPTED,
        ) from None


def _judge(experiment: "Experiment", output: Format) -> None:
    """Fail the command when the experiment did.

    Raises:
        CommandError: It failed, or was stopped before any trial was completed.
    """
    if experiment.state == "failed" or experiment.best is None:
        raise CommandError(
            f"Experiment {experiment.name!r} is {experiment.state}"
            + (f": {experiment.reason}" if experiment.reason else " without a completed trial.")
        )
    if output is Format.TABLE:
        say(f"Deploy the winner with `melon deploy {experiment.id} --name NAME`")
