"""Where the server is: the argument, ``MELON_URL``, the suite that runs on this machine, or the customary address."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from melonkube.sdk._exceptions import InvalidInput

DEFAULT_URL = "http://127.0.0.1:8080"
STATE_FILE = "suite.json"
"""Written into the data directory by ``melon up``: ``{"pid": ..., "url": ..., "started_at": ...}``."""


def data_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the suite's data directory: ``$MELON_HOME``, else ``melonkube`` below the XDG data home."""
    home = environ.get("MELON_HOME")
    if home:
        return Path(home).expanduser()
    share = environ.get("XDG_DATA_HOME")
    # A relative path there is to be ignored (XDG Base Directory Specification).
    if share and Path(share).is_absolute():
        return Path(share) / "melonkube"
    return Path(environ.get("HOME") or Path.home()) / ".local" / "share" / "melonkube"


def running_suite(folder: Path) -> str | None:
    """Return the address of the suite that runs on ``folder``, None if none does.

    A state file left behind by a suite that is gone does not count.
    """
    try:
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        url, pid = str(state["url"]), int(state["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if _alive(pid) else None


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def find_url(url: str | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """Return the server's address without a slash at its end.

    Raises:
        InvalidInput: It is not an http or https address.
    """
    found = url or environ.get("MELON_URL") or running_suite(data_dir(environ)) or DEFAULT_URL
    found = found.strip().rstrip("/")
    scheme, separator, rest = found.partition("://")
    if scheme.lower() not in ("http", "https") or not separator or not rest:
        raise InvalidInput(f"{found!r} is not an address; give one such as {DEFAULT_URL}.")
    return found
