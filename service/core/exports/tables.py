"""Tables as files: CSV, JSON and XLSX, written row by row in constant memory.

A spreadsheet takes a text that begins like a formula for one (OWASP, "CSV Injection"): in CSV such a text gets an
apostrophe in front, in XLSX it is written as the text that it is.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import orjson
import xlsxwriter

from service.core.exports.columns import Cell, cell

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a formula begins with, to some spreadsheet."""

XLSX_ROWS = 1_048_575
"""Rows of a sheet below its head."""
XLSX_TEXT = 32_767
"""Characters of a cell."""


class Table(Protocol):
    """A table that is being written to a file. Blocking: for a thread."""

    def write(self, assets: Sequence[Mapping[str, Any]]) -> None:
        """Append rows."""
        ...

    def close(self) -> None:
        """End the file."""
        ...


class CsvTable:
    """CSV by RFC 4180, in UTF-8 with a mark at its beginning: without one, Excel reads it as Latin-1."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._columns = columns
        self._file: IO[str] = path.open("w", encoding="utf-8-sig", newline="")
        self._rows = csv.writer(self._file, lineterminator="\r\n")
        self._rows.writerow(columns)

    def write(self, assets: Sequence[Mapping[str, Any]]) -> None:
        """Append rows."""
        self._rows.writerows([_safe(cell(asset, column)) for column in self._columns] for asset in assets)

    def close(self) -> None:
        """End the file."""
        self._file.close()


class JsonTable:
    """A JSON list of objects: whole assets, or the chosen columns of each."""

    def __init__(self, path: Path, columns: Sequence[str] | None) -> None:
        self._columns = columns
        self._file = path.open("wb")
        self._file.write(b"[")
        self._between = b"\n"

    def write(self, assets: Sequence[Mapping[str, Any]]) -> None:
        """Append objects."""
        for asset in assets:
            shown = asset if self._columns is None else {name: cell(asset, name) for name in self._columns}
            self._file.write(self._between + orjson.dumps(shown))
            self._between = b",\n"

    def close(self) -> None:
        """End the file."""
        self._file.write(b"\n]\n")
        self._file.close()


class XlsxTable:
    """A workbook of one sheet, with a head that stays in view."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._columns = columns
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "in_memory": False}
        self._book = xlsxwriter.Workbook(str(path), {**options, "tmpdir": str(path.parent)})
        self._sheet = self._book.add_worksheet("Assets")
        self._sheet.freeze_panes(1, 0)
        bold = self._book.add_format({"bold": True})
        for at, name in enumerate(columns):
            self._sheet.write_string(0, at, name, bold)
        self._row = 1

    def write(self, assets: Sequence[Mapping[str, Any]]) -> None:
        """Append rows."""
        for asset in assets:
            for at, column in enumerate(self._columns):
                match cell(asset, column):
                    case None:
                        continue
                    case bool() as value:
                        self._sheet.write_boolean(self._row, at, value)
                    case int() | float() as value if abs(value) < 2**53:
                        self._sheet.write_number(self._row, at, value)
                    case value:
                        self._sheet.write_string(self._row, at, str(value)[:XLSX_TEXT])
            self._row += 1

    def close(self) -> None:
        """End the file."""
        self._book.close()


def _safe(value: Cell) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


Opener = Callable[[Path, Sequence[str], bool], Table]

TABLES: Mapping[str, tuple[str, Opener]] = {
    "csv": ("text/csv; charset=utf-8", lambda path, columns, chosen: CsvTable(path, columns)),
    "json": ("application/json", lambda path, columns, chosen: JsonTable(path, columns if chosen else None)),
    "xlsx": (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        lambda path, columns, chosen: XlsxTable(path, columns),
    ),
}
"""By format: its media type, and how a table of it is begun (path, columns, whether these were chosen)."""
