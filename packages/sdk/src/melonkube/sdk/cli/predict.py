"""``predict``: a CSV in, predictions out."""

import csv
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from melonkube.sdk.cli.output import Format, OutputOption, print_json, say
from melonkube.sdk.cli.session import connect
from melonkube.sdk.cli.upload import check_file

if TYPE_CHECKING:
    from melonkube.contracts.endpoints import PredictAnswer
    from melonkube.contracts.signature import Signature

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)


def predict(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The endpoint.")],
    data: Annotated[Path, typer.Option("--data", help="CSV with a header; it may still hold the target.")],
    out: Annotated[Path | None, typer.Option("--out", help="CSV to write. [default: standard output]")] = None,
    batch: Annotated[int, typer.Option("--batch", help="Rows a call.", min=1)] = 1000,
    output: OutputOption = Format.TABLE,
) -> None:
    """Predict every row of a CSV: one line a row with the prediction and, for classes, their probabilities.

    With --output json the answers are one JSON object; with --out too, it says what was written.
    """
    from melonkube.sdk._csv import read_instances
    from melonkube.sdk._files import replacing

    check_file(data)
    csv.field_size_limit(1 << 30)  # a text may be long; Python's own limit is 128 KiB
    as_json = output is Format.JSON
    predicted: dict[str, Any] = {}
    with connect(context) as client:
        schema = client.endpoints.schema(name)
        told = _Told({schema.signature.target.name, *schema.signature.ignored})
        with read_instances(data, schema.signature) as instances, _spinner(data, out, as_json=as_json):
            told.unused(instances.unused)
            answers = told.watch(client.endpoints.predict_batches(name, instances, batch_rows=batch))
            if out is not None:
                with replacing(out) as part, part.open("w", encoding="utf-8", newline="") as file:
                    _write(file, answers, schema.signature)
            elif as_json:
                predicted = _collect(answers)
            else:
                _write(sys.stdout, answers, schema.signature)
    told.finish()
    if as_json:
        print_json({**predicted, **({} if out is None else {"out": str(out)}), **told.summary()})
    elif out is not None:
        say(f"{told.rows:,} predictions written to {out}")


def _spinner(data: Path, out: Path | None, *, as_json: bool) -> AbstractContextManager[None]:
    from melonkube.sdk.cli.progress import waiting

    return waiting(f"Predicting {data.name}", shown=out is not None or as_json or not sys.stdout.isatty())


class _Told:
    """Counts rows, versions and warnings of the answers as they pass."""

    def __init__(self, expected: set[str]) -> None:
        self.rows = 0
        self._expected = expected
        self._answer: PredictAnswer | None = None
        self._versions: dict[tuple[str, int], None] = {}
        self._unused: list[str] = []
        self._batches: list[tuple[int, list[str]]] = []

    def unused(self, columns: list[str]) -> None:
        """Note columns of the file that neither the model nor its training knew."""
        self._unused = [column for column in columns if column not in self._expected]

    def watch(self, answers: "Iterator[PredictAnswer]") -> "Iterator[PredictAnswer]":
        """Pass answers on."""
        for answer in answers:
            self.rows += len(answer.predictions)
            self._answer = answer
            self._versions[answer.model, answer.version] = None
            self._batches.append((len(answer.predictions), answer.warnings))
            yield answer

    def finish(self) -> None:
        """Say what should be known about the answers."""
        said = self.warnings()
        for warning in said[:_SHOWN]:
            say(f"warning: {warning}")
        if len(said) > _SHOWN:
            say(f"warning: and {len(said) - _SHOWN} more")

    def warnings(self) -> list[str]:
        """Return all warnings; those of an answer count its own rows, so where there are several they say which."""
        said = []
        if self._unused:
            said.append(f"Not used, because the model does not know them: {', '.join(self._unused)}.")
        first = 0
        for rows, warnings in self._batches:
            where = f"rows {first}-{first + rows - 1}: " if len(self._batches) > 1 else ""
            said += [where + warning for warning in warnings]
            first += rows
        if len(self._versions) > 1:
            names = ", ".join(f"{model}:{version}" for model, version in self._versions)
            said.append(f"The endpoint moved on meanwhile: {names} answered.")
        return said

    def summary(self) -> dict[str, Any]:
        """Return what holds for all answers."""
        answer = self._answer
        return {
            "rows": self.rows,
            "model": answer.model if answer else None,
            "version": answer.version if answer else None,
            "digest": answer.digest if answer else None,
            "warnings": self.warnings(),
        }


def _collect(answers: "Iterator[PredictAnswer]") -> dict[str, Any]:
    predictions: list[Any] = []
    probabilities: list[dict[str, float]] = []
    for answer in answers:
        predictions += answer.predictions
        probabilities += answer.probabilities or []
    return {"predictions": predictions, "probabilities": probabilities or None}


def _write(file: TextIO, answers: "Iterator[PredictAnswer]", signature: "Signature") -> None:
    classes = [_text(one) for one in signature.classes or ()]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["prediction", *(f"probability_{one}" for one in classes)])
    for answer in answers:
        shares = answer.probabilities or [{}] * len(answer.predictions)
        for prediction, share in zip(answer.predictions, shares, strict=True):
            writer.writerow([_text(prediction), *(share.get(one, "") for one in classes)])


def _text(value: Any) -> str:
    """Return a label as the wire writes it as a key: ``true``, not ``True``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
