"""How commands print: tables and progress for people, JSON for scripts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from service.printable import escaped_json, printable

_WIDTH = 100_000
"""Width of what is written to a file or a pipe, in characters: a table there is as wide as its contents."""


class Terminal(Console):
    """A console that prints no control characters of the texts that it is given."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print like Rich's console."""
        super().print(*(printable(each) if isinstance(each, str) else each for each in objects), **options)


def print_json(value: Any) -> None:
    """Print one JSON value and a newline to standard output."""
    sys.stdout.write(escaped_json(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()) + "\n")
    sys.stdout.flush()


def print_error(text: str) -> None:
    """Print a message, of one line or several, on standard error."""
    typer.echo(printable(text), err=True)


_AROUND = 60
"""Characters of a query that are shown on either side of a mistake."""


def pointed(text: str, offset: int, length: int) -> str:
    """Return two lines: a text, or the part of it around a span, and carets below the span."""
    first, last = max(0, offset - _AROUND), min(len(text), offset + length + _AROUND)
    before, span, after = text[first:offset], text[offset : offset + length], text[offset + length : last]
    before, span, after = (printable(part, one_line=True) for part in (before, span, after))
    start, end = "…" if first else "", "…" if last < len(text) else ""
    return f"  {start}{before}{span}{after}{end}\n  {' ' * cell_len(start + before)}{'^' * max(1, cell_len(span))}"


def console(*, stderr: bool = False) -> Terminal:
    """Return a console on standard output, or on standard error."""
    if (sys.stderr if stderr else sys.stdout).isatty():
        return Terminal(stderr=stderr, highlight=False)
    # The height is not used, but without it Rich ignores the width if TERM=dumb and uses 80 columns.
    return Terminal(stderr=stderr, highlight=False, soft_wrap=True, width=_WIDTH, height=25)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """Print a table."""
    table = Table(title=None if title is None else Text(printable(title)), title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # a truncated id would be useless
    for row in rows:
        # Text from files must not be interpreted as markup.
        table.add_row(*(Text("" if cell is None else printable(str(cell), one_line=True)) for cell in row))
    console().print(table)


def progress(*, quiet: bool) -> Progress:
    """Return a progress bar on standard error; hidden if quiet or if standard error is not a terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console(stderr=True),
        disable=quiet or not sys.stderr.isatty(),
        transient=True,
    )
