"""SQLite's errors as Assetry's."""

from __future__ import annotations

import sqlite3

from service.errors import AssetryError, TooLarge, Unavailable

_MESSAGES: dict[str, str] = {
    "SQLITE_BUSY": "the database is locked by another process",
    "SQLITE_LOCKED": "the database is locked by another process",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "reading or writing the disk failed",
    "SQLITE_READONLY": "the database is read-only (its file or its folder)",
    "SQLITE_CANTOPEN": "the database file cannot be opened",
    "SQLITE_CORRUPT": "the database file is damaged: restore it from a backup",
    "SQLITE_NOTADB": "the file is not a SQLite database",
    "SQLITE_INTERRUPT": "the read took too long",
    "SQLITE_NOMEM": "there is not enough memory",
}


def code_of(error: sqlite3.Error) -> str:
    """Return the primary code's name (``SQLITE_IOERR`` of ``SQLITE_IOERR_WRITE``), or empty text if there is none."""
    name = getattr(error, "sqlite_errorname", "") or ""
    return "_".join(name.split("_")[:2])


def translated(error: sqlite3.Error) -> AssetryError:
    """Return the error to raise for a SQLite error: Unavailable, or TooLarge for a value beyond SQLite's limit."""
    code = code_of(error)
    if code == "SQLITE_TOOBIG":
        return TooLarge("The record exceeds the store's maximum size.")
    return Unavailable("store", _MESSAGES.get(code, "the database reported an error"))
