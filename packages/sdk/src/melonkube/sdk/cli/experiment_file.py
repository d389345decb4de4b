"""Experiment and search space files: YAML or JSON, read so that values are what they look like."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from melonkube.sdk.cli.errors import CommandError, ExitCode


class _CoreLoader(yaml.SafeLoader):
    """YAML 1.2's core schema: ``no`` is a text, ``1e-3`` a number, ``2026-01-01`` and ``12:30`` texts.

    PyYAML follows YAML 1.1, where these four are false, a text, a date and 750. A key that is there twice is an error.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | None):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is there twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _construct_int(loader: _CoreLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), [*_first, ""])
_CoreLoader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """Return the mapping in a YAML or JSON file.

    Args:
        path: The file.
        what: What it is to hold, for the sentence of an error.

    Raises:
        CommandError: It cannot be read or is not a mapping of names.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise CommandError(f"There is no file {path}.", ExitCode.USAGE) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text.", ExitCode.USAGE) from error
    as_json = path.suffix.lower() == ".json"
    try:
        content = json.loads(text) if as_json else yaml.load(text, _CoreLoader)  # noqa: S506
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        form = "JSON" if as_json else "YAML"
        raise CommandError(f"{path} is not {form}: {_first_words(error)}.", ExitCode.USAGE) from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise CommandError(f"{path} must hold {what}: a mapping of names.", ExitCode.USAGE)
    return content


def _first_words(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"{problem} (line {mark.line + 1})" if mark is not None else str(problem)


def parse_kinds(options: list[str]) -> dict[str, str]:
    """Return the columns and kinds of ``COL=KIND`` options; a column's name may itself hold ``=``.

    Raises:
        CommandError: One has no ``=``.
    """
    kinds = {}
    for option in options:
        column, separator, kind = option.rpartition("=")
        if not separator or not column or not kind:
            raise CommandError(f"--kind {option}: write it as COLUMN=KIND, such as zip=categorical.", ExitCode.USAGE)
        kinds[column] = kind
    return kinds


def merge(
    file: dict[str, Any], options: dict[str, Any], ignore: list[str], kinds: dict[str, str], budget: dict[str, Any]
) -> dict[str, Any]:
    """Return the fields of an experiment: those of a file, over them those of the command line that were given.

    Args:
        file: Fields of an experiment file.
        options: Fields given as options; None where not given.
        ignore: Columns to leave out.
        kinds: Columns to read as another kind.
        budget: Parts of the budget given as options; None where not given.

    Raises:
        CommandError: The file's ``columns`` or ``budget`` is no mapping.
    """
    merged = {**file, **{name: value for name, value in options.items() if value is not None}}
    columns = {
        name: dict(_mapping(value, f"columns.{name}"))
        for name, value in _mapping(file.get("columns"), "columns").items()
    }
    for name, kind in kinds.items():
        columns.setdefault(name, {})["kind"] = kind
    for name in ignore:
        columns.setdefault(name, {})["role"] = "ignored"
    limits = {**_mapping(file.get("budget"), "budget"), **{k: v for k, v in budget.items() if v is not None}}
    for name, value in (("columns", columns), ("budget", limits)):
        if value:
            merged[name] = value
        else:
            merged.pop(name, None)
    return merged


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CommandError(f"{where} must be a mapping of names.", ExitCode.USAGE)
    return value
