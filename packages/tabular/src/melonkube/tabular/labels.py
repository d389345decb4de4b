"""From a target column to the numbers a model learns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from melonkube.contracts.base import Scalar
from melonkube.contracts.signature import Task
from melonkube.tabular.targets import ArrowColumn, plain

MISSING_CLASS = -1
"""The code of a row without a target, or with a value that is none of the classes."""


def encode_labels(
    column: ArrowColumn, task: Task, classes: Sequence[Scalar] | None
) -> NDArray[np.float64] | NDArray[np.int32]:
    """Return one number a row.

    Args:
        column: The target.
        task: What is predicted.
        classes: The label's values in the order of their codes; null for regression.

    Returns:
        For regression float64, NaN where the target is missing; else int32, ``classes[i]`` as i and
        :data:`MISSING_CLASS` where there is none.

    Raises:
        ValueError: Classification without classes.
    """
    values = plain(column)
    if task is Task.REGRESSION:
        numbers: NDArray[np.float64] = values.cast(pa.float64(), safe=False).to_numpy()
        return numbers
    if classes is None:
        raise ValueError("classification needs the classes")
    found: Any = pc.index_in(values, value_set=pa.array(classes, type=values.type))
    codes: NDArray[np.int32] = found.fill_null(MISSING_CLASS).to_numpy().astype(np.int32)
    return codes
