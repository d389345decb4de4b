"""Answers on standard output, as a table or as JSON; everything else that is said goes to standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import typer

from melonkube.sdk.cli.text import printable

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from rich.table import Table

T = TypeVar("T", bound="BaseModel")


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[
    Format,
    typer.Option("--output", "-o", help="How to write the answer: for people, or complete for programs."),
]


@dataclass(frozen=True)
class Field(Generic[T]):
    """A column of a table: its heading, the text of an item, and whether it is a number."""

    heading: str
    text: Callable[[T], str]
    right: bool = False


def console(*, stderr: bool = False) -> "Console":
    """Return a console of Rich that takes text as it is.

    A file or pipe gets lines as long as they are, so that nothing is cut off for a program that reads them.
    """
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 10_000
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def interactive() -> bool:
    """Return whether a person looks at standard error."""
    return sys.stderr.isatty()


def say(message: str) -> None:
    """Tell a person something, on standard error."""
    print(printable(message), file=sys.stderr)


def tell(line: str) -> None:
    """Write a line to standard output, at once; Typer's ``echo`` would overrule the character set of the output."""
    print(line, flush=True)


def print_json(value: Any) -> None:
    """Write JSON to standard output; characters its encoding lacks are escaped."""
    plain = "utf" not in (sys.stdout.encoding or "").lower()
    tell(json.dumps(value, ensure_ascii=plain, indent=2))


def print_json_line(item: "BaseModel") -> None:
    """Write one item as a line of JSON, at once."""
    plain = "utf" not in (sys.stdout.encoding or "").lower()
    tell(json.dumps(item.model_dump(mode="json"), ensure_ascii=plain))


def print_items(items: Iterable[T], fields: Sequence[Field[T]], output: Format, *, empty: str) -> None:
    """Write a list: a table, or ``{"items": [...]}`` with all there is of each item.

    Args:
        items: What to write.
        fields: The columns of the table.
        output: The form.
        empty: Said on standard error in place of a table without rows.
    """
    if output is Format.JSON:
        print_json({"items": [item.model_dump(mode="json") for item in items]})
        return
    rows = list(items)
    if not rows:
        say(empty)
        return
    print_table([field.heading for field in fields], _rows(rows, fields), {f.heading for f in fields if f.right})


def _rows(items: Iterable[T], fields: Sequence[Field[T]]) -> list[list[str]]:
    return [[field.text(item) for field in fields] for item in items]


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], right: set[str] | frozenset[str]) -> None:
    """Write a table; wide characters (한글) take the two cells they need."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading.upper(), justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(printable(cell) for cell in row))
    _print(table)


def print_item(item: "BaseModel", lines: Mapping[str, str], output: Format) -> None:
    """Write one thing: its most important values a line each (empty ones left out), or all of it as JSON."""
    if output is Format.JSON:
        print_json(item.model_dump(mode="json"))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in lines.items():
        if text:
            table.add_row(name, printable(text))
    _print(table)


def _print(table: "Table") -> None:
    """Write a table to standard output, without the spaces that fill its last column."""
    shown = console()
    if shown.is_terminal:
        shown.print(table)
        return
    with shown.capture() as captured:
        shown.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())
