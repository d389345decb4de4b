"""Values as people read them. Pure, and imports nothing."""

from datetime import datetime
from typing import Any

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code != 0x09}
_CONTROLS.update({code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))})


def printable(text: str) -> str:
    """Return text on one line that cannot drive a terminal: control characters are written out."""
    return text.translate(_CONTROLS)


def number(value: float | None, digits: int = 6) -> str:
    """Return a number with its significant digits; nothing for None."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.{digits}g}"


def scalar(value: Any) -> str:
    """Return the value of a hyperparameter or a cell."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return number(value) if isinstance(value, int | float) else printable(str(value))


def params(values: dict[str, Any]) -> str:
    """Return hyperparameters on one line."""
    return ", ".join(f"{printable(name)}={scalar(value)}" for name, value in values.items())


def moment(value: datetime | None) -> str:
    """Return a time in the zone of this machine, to the minute."""
    return "" if value is None else value.astimezone().strftime("%Y-%m-%d %H:%M")


def seconds(value: float | None) -> str:
    """Return a duration: ``8s``, ``1m 20s``, ``2h 05m``, ``3d 04h``."""
    if value is None:
        return ""
    if 0 < value < 10:
        return f"{value:.1f}s"
    whole = round(value)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3600:02d}h"


def size(value: int | None) -> str:
    """Return a number of bytes in binary units."""
    if value is None:
        return ""
    amount = float(value)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
