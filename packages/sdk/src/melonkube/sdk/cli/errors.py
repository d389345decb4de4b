"""Exit codes, and the one or two lines said about an error."""

import os
import sys
from enum import IntEnum
from typing import TYPE_CHECKING

from melonkube.sdk.cli.text import printable

if TYPE_CHECKING:
    from melonkube.sdk._exceptions import ApiError


class ExitCode(IntEnum):
    """What a script can rely on; documented in ``docs/cli.md``."""

    OK = 0
    FAILED = 1
    """The operation failed: an experiment, an endpoint, a request the server refused."""
    USAGE = 2
    """The command was called in a way it cannot be."""
    NOT_FOUND = 3
    CONFLICT = 4
    UNREACHABLE = 5
    """The server, or the part of it that was needed, does not answer."""
    INTERRUPTED = 130
    """Ctrl-C, as shells have it: 128 + SIGINT."""


class CommandError(Exception):
    """Ends a command with an exit code and a sentence."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code


def warn(message: str) -> None:
    """Say something on standard error."""
    print(f"melon: {printable(message)}", file=sys.stderr)


def describe(error: Exception) -> tuple[ExitCode, list[str]]:
    """Return the exit code of an error and what to say about it."""
    from melonkube.sdk import _exceptions as known

    if isinstance(error, CommandError):
        return error.code, [str(error)]
    if isinstance(error, known.ApiError):
        return _api_code(error), _api_lines(error)
    if isinstance(error, known.ConnectionFailed):
        return ExitCode.UNREACHABLE, [str(error)]
    if isinstance(error, known.InvalidInput):
        return ExitCode.USAGE, [str(error)]
    if isinstance(error, known.MelonError):
        return ExitCode.FAILED, [str(error)]
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return ExitCode.FAILED, [f"{named}{error.strerror or error}"]
    if os.environ.get("MELON_DEBUG"):
        raise error
    said = f"{type(error).__name__}: {error}"
    return ExitCode.FAILED, [f"this should not have happened: {said}", "MELON_DEBUG=1 shows where; please report it."]


def _api_code(error: "ApiError") -> ExitCode:
    from melonkube.contracts.errors import ErrorCode

    if error.status in (404, 410):
        return ExitCode.NOT_FOUND
    if error.status == 409:
        return ExitCode.CONFLICT
    if error.code in (ErrorCode.UPSTREAM_UNAVAILABLE, ErrorCode.NOT_READY):
        return ExitCode.UNREACHABLE
    return ExitCode.FAILED


def _api_lines(error: "ApiError") -> list[str]:
    lines = [error.detail]
    unsaid = [item for item in error.errors if item.detail not in error.detail]
    if unsaid:
        shown = "; ".join(f"{item.pointer}: {item.detail}" for item in unsaid[:3])
        lines.append(shown + (f" (and {len(unsaid) - 3} more)" if len(unsaid) > 3 else ""))
    elif error.status >= 500 and error.request_id:
        lines.append(f"request id: {error.request_id}")
    return lines
