"""What a worker is given: quantities as Kubernetes writes them, names and values. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from melonkube.sdk.cli.errors import CommandError, ExitCode

_QUANTITY = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?P<unit>[A-Za-z]*)")
_BYTES: dict[str, int] = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate(("k", "M", "G", "T", "P"), 1)},
    **{f"{unit}i": 1024**power for power, unit in enumerate(("K", "M", "G", "T", "P"), 1)},
}


def parse_memory(text: str) -> int:
    """Return the bytes of a quantity such as ``2Gi`` (binary), ``500M`` (decimal) or ``1073741824``.

    Raises:
        CommandError: It is none.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match["unit"] not in _BYTES:
        raise CommandError(f"{text!r} is not an amount of memory; write it as 2Gi or 500M.", ExitCode.USAGE)
    return round(float(match["number"]) * _BYTES[match["unit"]])


def parse_cpu(text: str) -> float:
    """Return the cores of a quantity such as ``2``, ``0.5`` or ``500m``.

    Raises:
        CommandError: It is none.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match["unit"] not in ("", "m"):
        raise CommandError(f"{text!r} is not a number of cores; write it as 2, 0.5 or 500m.", ExitCode.USAGE)
    return float(match["number"]) / (1000 if match["unit"] else 1)


def parse_pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """Return the names and values of ``NAME=VALUE`` options; a value may itself hold ``=``, or be empty.

    Raises:
        CommandError: One has no ``=``.
    """
    pairs = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise CommandError(f"{option} {text}: write it as NAME=VALUE.", ExitCode.USAGE)
        pairs[name] = value
    return pairs


def merge_worker(file: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each worker is given: as a file says, over it the options that were given.

    Args:
        file: ``worker`` of an experiment file; ``cpu`` and ``memory`` may be quantities there.
        options: Fields of the contract's ``WorkerSpec``; empty or None where not given. Mappings and lists add to the
            file's, all else replaces it.

    Raises:
        CommandError: The file's part cannot be read.
    """
    if not isinstance(file, dict | None):
        raise CommandError("worker must be a mapping of names.", ExitCode.USAGE)
    merged = dict(file or {})
    if "memory" in merged:
        merged["memory_bytes"] = parse_memory(str(merged.pop("memory")))
    if isinstance(merged.get("cpu"), str):
        merged["cpu"] = parse_cpu(merged["cpu"])
    for name, value in options.items():
        if value is None or value == {} or value == []:
            continue
        before = merged.get(name)
        if isinstance(value, dict | list) and before is not None and type(before) is not type(value):
            kind = "mapping of names" if isinstance(value, dict) else "list"
            raise CommandError(f"worker.{name} must be a {kind}.", ExitCode.USAGE)
        if isinstance(value, dict):
            merged[name] = {**(before or {}), **value}
        elif isinstance(value, list):
            merged[name] = [*(before or []), *(entry for entry in dict.fromkeys(value) if entry not in (before or []))]
        else:
            merged[name] = value
    return merged


def merge_container(file: Any, image: str | None, command: Sequence[str] | None) -> dict[str, Any] | None:
    """Return the image and command of a trial: as a file says, over it what the command line says; None for neither.

    Args:
        file: ``container`` of an experiment file.
        image: The image.
        command: Program and arguments.

    Raises:
        CommandError: The file's part cannot be read, or one of image and command is missing.
    """
    if not isinstance(file, dict | None):
        raise CommandError("container must be a mapping of names.", ExitCode.USAGE)
    merged = dict(file or {})
    if image is not None:
        merged["image"] = image
    if command is not None:
        merged["command"] = list(command)
    if not merged:
        return None
    if "image" not in merged:
        raise CommandError("Say in which image the command runs: --container IMAGE.", ExitCode.USAGE)
    if not merged.get("command"):
        raise CommandError("Say what to run in the image, after --, such as: -- python train.py.", ExitCode.USAGE)
    return merged
