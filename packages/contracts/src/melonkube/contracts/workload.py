"""What runs a trial: what each worker is given and where it may run, or an image of the user's with its command."""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator

from melonkube.contracts.base import Request


class Toleration(Request):
    """A taint of nodes that workers put up with, as Kubernetes has it."""

    key: str | None = Field(default=None, max_length=317)
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str | None = Field(default=None, max_length=63)
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = Field(default=None, ge=0)


Label = Annotated[str, Field(min_length=1, max_length=317)]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]


class WorkerSpec(Request):
    """What each worker of an experiment is given and where it may run, on an executor that can choose.

    ``cpu`` is in cores, ``memory_bytes`` both asked for and the limit, ``gpu`` a count. ``queue`` names a Kueue
    queue. ``secrets`` are names of Secrets whose entries become environment variables.
    """

    cpu: float | None = Field(default=None, gt=0, le=1024)
    memory_bytes: int | None = Field(default=None, ge=32 << 20, le=1 << 50)
    gpu: int | None = Field(default=None, ge=0, le=64)
    image: str | None = Field(default=None, min_length=1, max_length=512)
    image_pull_secrets: list[ObjectName] = Field(default=[], max_length=20)
    node_selector: dict[Label, Annotated[str, Field(max_length=63)]] = Field(default={}, max_length=50)
    tolerations: list[Toleration] = Field(default=[], max_length=50)
    priority_class: ObjectName | None = None
    queue: ObjectName | None = None
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=256)], str] = Field(
        default={}, max_length=100
    )
    secrets: list[ObjectName] = Field(default=[], max_length=20)


PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
"""Something in two pairs of braces: ``{{params.x}}`` in a command stands for the value of the parameter ``x``."""

_PARAMS = "params."


class ContainerSpec(Request):
    """An image and the command that is one trial in it.

    ``{{params.NAME}}`` in the command stands for a parameter's value. ``metrics`` says where values are read:
    ``stdout``, from what the command writes (``auc=0.93``, or JSON objects); ``file``, from JSON lines in
    ``/melon/output/metrics.jsonl``. ``run_as_user`` is the user id of the command, 65532 where none is given.
    """

    image: str = Field(min_length=1, max_length=512, pattern=r"^\S+$")
    command: list[Annotated[str, Field(max_length=30_000)]] = Field(min_length=1, max_length=256)
    metrics: Literal["stdout", "file"] = "stdout"
    run_as_user: int | None = Field(default=None, ge=1, lt=2**31)

    @field_validator("command")
    @classmethod
    def _check_command(cls, command: list[str]) -> list[str]:
        if not command[0].strip() or command[0].startswith("-"):
            raise ValueError("the command must begin with a program")
        return command


def placeholders(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield each placeholder of ``text`` as it is written, with the parameter it stands for; None if for none."""
    for found in PLACEHOLDER.finditer(text):
        inner = found[1]
        yield found[0], inner.removeprefix(_PARAMS) if inner.startswith(_PARAMS) else None


def fill_in(text: str, value: Callable[[str], str]) -> str:
    """Return ``text`` with every ``{{params.NAME}}`` replaced by ``value`` of the name; what is put in stays."""

    def put(found: re.Match[str]) -> str:
        inner = found[1]
        return value(inner.removeprefix(_PARAMS)) if inner.startswith(_PARAMS) else found[0]

    return PLACEHOLDER.sub(put, text)
