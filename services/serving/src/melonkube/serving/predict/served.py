"""A model as it serves: loaded, compared with the golden rows, warmed up, immutable."""

import math
import platform
import time
from dataclasses import dataclass

import numpy as np

from melonkube.contracts.base import JsonObject
from melonkube.contracts.signature import Signature, Task
from melonkube.serving.bundles.bundle import BadBundle, Bundle
from melonkube.serving.predict.rows import RowReader, Unreadable
from melonkube.serving.runtimes.protocol import BadModel, LoadedModel, Matrix, ModelShape, RowScorer, Runtime
from melonkube.tabular.encode import FeatureEncoder
from melonkube.tabular.instances import InstanceErrors

_WARM_UP_ROWS = 64


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class ServedModel:
    """What answers, shared by all endpoints that serve the same bundle.

    ``scorer`` and ``reader`` belong to the event loop's thread; the rest is safe everywhere. ``reader`` is None for a
    signature that only the full path can read. ``row_seconds`` is what a row took at the warm-up.
    """

    digest: str
    signature: Signature
    input_example: JsonObject
    encoder: FeatureEncoder
    model: LoadedModel
    scorer: RowScorer
    reader: RowReader | None
    row_seconds: float


def load_served(bundle: Bundle, runtime: Runtime) -> ServedModel:
    """Return the model of a verified bundle, once it has shown that it answers as the trained one did. Takes a while.

    Raises:
        BadBundle: It does not, or cannot be loaded.
        OSError: The files cannot be read.
    """
    signature = bundle.signature
    encoder = FeatureEncoder(signature)
    try:
        model = runtime.load(bundle.folder, ModelShape(signature.task, encoder.width, _outputs(signature)))
        rows = encoder.encode_instances(bundle.golden.instances).matrix
        _compare_golden(bundle, model, rows)
        encoder.encode_instances([bundle.input_example])
        scorer = model.row_scorer(rows)
        seconds = _warm_up(model, scorer, rows)
    except BadModel as error:
        raise BadBundle(str(error)) from error
    except InstanceErrors as error:
        first = error.items[0]
        raise BadBundle(f"the bundle's own rows do not fit its signature: {first.pointer} {first.detail}") from error
    try:
        reader = RowReader(signature)
    except Unreadable:
        reader = None
    return ServedModel(bundle.digest, signature, bundle.input_example, encoder, model, scorer, reader, seconds)


def _outputs(signature: Signature) -> int:
    """Return how many numbers the model gives a row.

    Raises:
        BadBundle: The signature contradicts itself.
    """
    names = [column.name for column in signature.features]
    if not names or len(set(names)) != len(names):
        raise BadBundle("the signature's features are none, or not distinct")
    classes = signature.classes
    if signature.task is Task.REGRESSION:
        if classes is not None:
            raise BadBundle("a regression has no classes, yet the signature has")
        return 1
    if classes is None or len(set(classes)) != len(classes):
        raise BadBundle("the signature's classes are none, or not distinct")
    if any(isinstance(value, float) and not math.isfinite(value) for value in classes):
        raise BadBundle("a class is not a finite number")
    if signature.task is Task.BINARY:
        if len(classes) != 2:
            raise BadBundle(f"a binary model has two classes, the signature has {len(classes)}")
        return 1
    if len(classes) < 2:
        raise BadBundle("a multiclass model has at least two classes")
    return len(classes)


def _compare_golden(bundle: Bundle, model: LoadedModel, rows: Matrix) -> None:
    if not len(rows):
        raise BadBundle("the bundle has no golden rows to compare the model with")
    found = model.raw(rows)
    try:
        expected = np.array(bundle.golden.raw_scores, dtype=np.float64)
    except ValueError:
        expected = np.empty((0, 0))
    if expected.shape != found.shape:
        raise BadBundle("the golden scores are not one list a row with one number an output")
    manifest = bundle.manifest
    here = platform.machine()
    if manifest.architecture == here:
        if not np.array_equal(found, expected):
            raise BadBundle(f"{_worst(found, expected)}; on {here}, where it was trained, it must be equal to the bit")
    elif not (np.abs(found - expected) <= manifest.golden_tolerance).all():
        raise BadBundle(f"{_worst(found, expected)}; the tolerance is {manifest.golden_tolerance}")


def _worst(found: Matrix, expected: Matrix) -> str:
    row, output = np.unravel_index(np.argmax(np.abs(found - expected)), found.shape)
    return (
        f"the model answers otherwise than when it was trained: golden row {row} scores {found[row, output]!s}, "
        f"it was {expected[row, output]!s}"
    )


def _warm_up(model: LoadedModel, scorer: RowScorer, rows: Matrix) -> float:
    """Run each way of scoring, compare them, and return what a row takes by the fast one.

    Raises:
        BadModel: The two ways differ.
    """
    expected = model.scores(rows)
    view = np.frombuffer(scorer.row, dtype=np.float64)
    best = math.inf
    for number in range(_WARM_UP_ROWS):
        at = number % len(rows)
        view[:] = rows[at]
        began = time.perf_counter()
        outputs = scorer()
        best = min(best, time.perf_counter() - began)
        if list(outputs) != expected[at].tolist():
            raise BadModel("the model's two ways to score a row differ")
    return best
