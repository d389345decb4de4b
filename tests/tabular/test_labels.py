import numpy as np
import pyarrow as pa
import pytest

from melonkube.contracts.signature import Task
from melonkube.tabular.labels import MISSING_CLASS, encode_labels


def test_classes_become_their_places() -> None:
    column = pa.chunked_array([["yes", None], ["no", "perhaps", "yes"]])
    codes = encode_labels(column, Task.BINARY, ["no", "yes"])
    assert codes.dtype == np.int32
    assert codes.tolist() == [1, MISSING_CLASS, 0, MISSING_CLASS, 1]


@pytest.mark.parametrize(
    ("column", "classes", "codes"),
    [
        (pa.chunked_array([[True, False, True]]), [False, True], [1, 0, 1]),
        (pa.chunked_array([[5, 3, None, 4]]), [3, 4, 5], [2, 0, -1, 1]),
        (pa.chunked_array([[1.5, float("nan"), 0.5]]), [0.5, 1.5], [1, -1, 0]),
        (pa.chunked_array([pa.array(["b", "a"]).dictionary_encode()]), ["a", "b"], [1, 0]),
    ],
)
def test_labels_of_any_type(column: pa.ChunkedArray, classes: list[bool | int | float | str], codes: list[int]) -> None:  # type: ignore[type-arg]
    assert encode_labels(column, Task.MULTICLASS, classes).tolist() == codes


def test_numbers_stay_numbers_and_missing_is_nan() -> None:
    numbers = encode_labels(pa.chunked_array([pa.array([1, None, 3])]), Task.REGRESSION, None)
    assert numbers.dtype == np.float64
    assert np.array_equal(numbers, [1.0, np.nan, 3.0], equal_nan=True)


def test_classification_needs_the_classes() -> None:
    with pytest.raises(ValueError, match="needs the classes"):
        encode_labels(pa.chunked_array([["a"]]), Task.BINARY, None)
