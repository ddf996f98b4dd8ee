"""How commands print: tables and progress for people, JSON for scripts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

_WIDTH = 160
"""Width of tables written to a file or a pipe, in characters."""


def print_json(value: Any) -> None:
    """Print one JSON value and a newline to standard output."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
    sys.stdout.flush()


def console(*, stderr: bool = False) -> Console:
    """Return a console on standard output, or on standard error."""
    if (sys.stderr if stderr else sys.stdout).isatty():
        return Console(stderr=stderr, highlight=False)
    # The height is not used, but without it Rich ignores the width if TERM=dumb and uses 80 columns.
    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=_WIDTH, height=25)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """Print a table."""
    table = Table(title=title, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # a truncated id would be useless
    for row in rows:
        # Text from files must not be interpreted as markup.
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
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
