"""LightGBM through its C API (c_api.h), with one thread and without the Python package around it.

One row is scored by a walk of our own (:mod:`melonkube.serving.runtimes.lightgbm_forest`) where that has shown to give
LightGBM's answers bit for bit, else by LightGBM's single-row-fast entry. Only the text format is read.
"""

import ctypes
import threading
import weakref
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from melonkube.contracts.models import LIGHTGBM_MODEL_NAME
from melonkube.kit.logs import get_logger
from melonkube.serving.runtimes.forest import NotFlat
from melonkube.serving.runtimes.lightgbm_forest import ForestRowScorer, agrees, make_scorer, probes
from melonkube.serving.runtimes.lightgbm_text import ModelText, read_model_text
from melonkube.serving.runtimes.protocol import BadModel, Matrix, ModelShape, Outputs, RowScorer

log = get_logger("melonkube.serving.lightgbm")

_FLOAT64 = 1
_NORMAL = 0
_RAW_SCORE = 1
_ALL_TREES = -1
_ROW_MAJOR = 1
_OPTIONS = b"num_threads=1 verbosity=-1"


class LightGBMRuntime:
    """Loads LightGBM models in text format."""

    flavor = "lightgbm"
    files = frozenset({LIGHTGBM_MODEL_NAME})

    def load(self, folder: Path, shape: ModelShape) -> "LightGBMModel":
        """Return the model in ``folder``; see :meth:`melonkube.serving.runtimes.protocol.Runtime.load`."""
        text = (folder / LIGHTGBM_MODEL_NAME).read_bytes()
        said = read_model_text(text, shape)
        model = LightGBMModel(text, shape)
        model.walk(said)
        return model


class LightGBMModel:
    """A booster. Predictions only read it, and LightGBM guards them by a shared lock."""

    def __init__(self, text: bytes, shape: ModelShape) -> None:
        library = _library()
        self._shape = shape
        self._handle = ctypes.c_void_p()
        iterations = ctypes.c_int()
        _check(library.LGBM_BoosterLoadModelFromString(text, ctypes.byref(iterations), ctypes.byref(self._handle)))
        weakref.finalize(self, library.LGBM_BoosterFree, self._handle).atexit = False
        self._make_scorer: Callable[[], ForestRowScorer] | None = None

    def walk(self, said: ModelText) -> None:
        """Let single rows be scored by a walk of our own, if that gives LightGBM's answers."""
        try:
            make = make_scorer(said, self._shape)
        except NotFlat as error:
            log.info("single rows of a model are scored by LightGBM", reason=str(error))
            return
        rows = probes(said, self._shape.features)
        if agrees(make(), rows, self.scores(rows)):
            self._make_scorer = make
        else:
            log.warning("single rows of a model are scored by LightGBM", reason="the faster way answers otherwise")

    def raw(self, rows: Matrix) -> Matrix:
        """Return the raw scores of ``rows``."""
        return self._predict(rows, _RAW_SCORE)

    def scores(self, rows: Matrix) -> Matrix:
        """Return values or probabilities of ``rows``; the interpreter is free meanwhile."""
        return self._predict(rows, _NORMAL)

    def row_scorer(self, samples: Matrix | None = None) -> RowScorer:
        """Return a scorer of single rows."""
        if self._make_scorer is not None:
            scorer = self._make_scorer()
            if samples is None or agrees(scorer, samples, self.scores(samples)):
                return scorer
            log.warning("single rows of a model are scored by LightGBM", reason="the faster way answers otherwise")
        return LightGBMRowScorer(self, self._handle, self._shape)

    def _predict(self, rows: Matrix, kind: int) -> Matrix:
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        count, width = rows.shape
        if width != self._shape.features:
            raise ValueError(f"rows have {width} features and not {self._shape.features}")
        out = np.empty((count, self._shape.outputs))
        length = ctypes.c_int64()
        if count:
            _check(
                _library().LGBM_BoosterPredictForMat(
                    self._handle,
                    rows.ctypes.data,
                    _FLOAT64,
                    count,
                    width,
                    _ROW_MAJOR,
                    kind,
                    0,
                    _ALL_TREES,
                    _OPTIONS,
                    ctypes.byref(length),
                    out.ctypes.data,
                )
            )
        if length.value != out.size:
            raise BadModel(f"LightGBM answered {length.value} numbers where {out.size} were due")
        return out


class LightGBMRowScorer:
    """LightGBM's single-row-fast entry, its arguments bound once. One thread only: row and answer are its memory."""

    def __init__(self, model: LightGBMModel, handle: ctypes.c_void_p, shape: ModelShape) -> None:
        library = _library()
        self._model = model  # keeps the booster alive
        self.row = (ctypes.c_double * shape.features)()
        self._out = (ctypes.c_double * shape.outputs)()
        self._length = ctypes.c_int64()
        config = ctypes.c_void_p()
        _check(
            library.LGBM_BoosterPredictForMatSingleRowFastInit(
                handle, _NORMAL, 0, _ALL_TREES, _FLOAT64, shape.features, _OPTIONS, ctypes.byref(config)
            )
        )
        weakref.finalize(self, library.LGBM_FastConfigFree, config).atexit = False
        self._call = library.LGBM_BoosterPredictForMatSingleRowFast
        self._arguments = (
            config,
            ctypes.c_void_p(ctypes.addressof(self.row)),
            ctypes.c_void_p(ctypes.addressof(self._length)),
            ctypes.c_void_p(ctypes.addressof(self._out)),
        )

    def __call__(self) -> Outputs:
        """Return the outputs for what ``row`` holds."""
        if self._call(*self._arguments):
            _check(-1)
        return self._out


def _check(status: int) -> None:
    if status:
        message: bytes = _library().LGBM_GetLastError()
        raise BadModel(f"LightGBM says: {message.decode('utf-8', 'replace')}")


@cache
def _library() -> Any:
    """Return the shared library of the installed LightGBM, without importing its Python package."""
    spec = find_spec("lightgbm")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("LightGBM is not installed")
    library = ctypes.CDLL(str(Path(spec.submodule_search_locations[0]) / "lib" / "lib_lightgbm.so"))
    pointer, integer, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    signatures: dict[str, list[Any]] = {
        "LGBM_BoosterLoadModelFromString": [text, pointer, pointer],
        "LGBM_BoosterFree": [pointer],
        "LGBM_BoosterPredictForMat": [
            *[pointer, pointer, integer, ctypes.c_int32, ctypes.c_int32],
            *[integer, integer, integer, integer, text, pointer, pointer],
        ],
        "LGBM_BoosterPredictForMatSingleRowFastInit": [
            *[pointer, integer, integer, integer, integer, ctypes.c_int32, text, pointer],
        ],
        "LGBM_BoosterPredictForMatSingleRowFast": [pointer, pointer, pointer, pointer],
        "LGBM_FastConfigFree": [pointer],
        "LGBM_SetMaxThreads": [integer],
        "LGBM_RegisterLogCallback": [_LOG_CALLBACK],
    }
    for name, arguments in signatures.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, integer
    library.LGBM_GetLastError.argtypes, library.LGBM_GetLastError.restype = [], text
    library.LGBM_RegisterLogCallback(_on_log)
    library.LGBM_SetMaxThreads(1)
    return library


_LOG_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
_pieces = threading.local()


def _log_piece(piece: bytes) -> None:
    """Take a part of a message: LightGBM sends level, text and line end one by one."""
    said = getattr(_pieces, "said", "") + piece.decode("utf-8", "replace")
    if said.endswith("\n"):
        log.debug("lightgbm", message=said.strip())
        said = ""
    _pieces.said = said


_on_log = _LOG_CALLBACK(_log_piece)
"""Kept for the life of the process, as the library keeps its address."""
