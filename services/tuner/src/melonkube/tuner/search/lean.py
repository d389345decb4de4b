"""hyperopt without its adaptive TPE, which nothing here uses.

That one part imports ``scipy.stats``, two thirds of the time hyperopt takes to import: after each start of the
search process the first suggestions wait for it.
"""

import sys
from types import ModuleType
from typing import Any

_UNUSED = "hyperopt.atpe"


def _load() -> None:
    """Import hyperopt with an empty module in the unused one's place, which is then given back."""
    if "hyperopt" in sys.modules:
        return
    sys.modules[_UNUSED] = ModuleType(_UNUSED)
    try:
        import hyperopt  # noqa: F401
    finally:
        del sys.modules[_UNUSED]


_load()

from hyperopt import base, hp, rand, tpe  # noqa: E402
from hyperopt.pyll.base import Apply  # noqa: E402

Node = Apply
"""An expression of hyperopt's."""

Domain: Any = base.Domain
Trials: Any = base.Trials

__all__ = ["Domain", "Node", "Trials", "base", "hp", "rand", "tpe"]
