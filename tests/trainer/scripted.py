"""A trainer that does as a test tells it: the second implementation of the protocol."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from melonkube.trainer.protocol import Control, Job


@dataclass
class ScriptedFitted:
    value: float = 0.75
    step: int = 3
    metrics: dict[str, float] = field(default_factory=lambda: {"auc": 0.75})

    def save(self) -> dict[str, bytes]:
        return {"model.txt": b"a model", "golden.json": b"{}"}


class Script:
    """What the next trials do."""

    prepare: Callable[[Job], None]
    train: Callable[[Mapping[str, Any], Control], ScriptedFitted | None]
    evaluate: Callable[[Mapping[str, bytes]], dict[str, float]]


class Gate:
    """Holds a scripted trial until a test lets it go on, or until it is told to end."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def train(self, _params: Any, control: Any) -> ScriptedFitted | None:
        self.begun.set()
        while control.proceed():
            if self.open.wait(0.002):
                return ScriptedFitted()
        return None


class ScriptedTrainer:
    flavor = "scripted"
    library_versions: Mapping[str, str] = {"scripted": "1"}
    script: Script
    job: Job

    @classmethod
    def prepare(cls, job: Job) -> Self:
        cls.script.prepare(job)
        trainer = cls()
        trainer.job = job
        return trainer

    def shared_files(self) -> Mapping[str, bytes]:
        return {"signature.json": b"{}", "input_example.json": b"{}"}

    def train(self, params: Mapping[str, Any], control: Control) -> ScriptedFitted | None:
        return self.script.train(params, control)

    def evaluate(self, files: Mapping[str, bytes]) -> dict[str, float]:
        return self.script.evaluate(files)
