"""pyarrow's arrays and compute functions, taken as they are: their stubs know fewer calls than there are."""

from typing import Any, TypeAlias

import pyarrow.compute

ArrowArray: TypeAlias = Any
"""A ``pyarrow.Array``."""

pc: Any = pyarrow.compute
