"""``assetry index status``."""

from __future__ import annotations

from typing import Any

from service.cli.exit_codes import OK, PROBLEMS
from service.cli.output import console, print_json, print_table
from service.runtime.base import open_existing
from service.runtime.index_report import index_report
from service.settings import Settings

_ROWS = (
    ("state", "state"),
    ("reason", "reason"),
    ("last_error", "last error"),
    ("fix", "fix"),
    ("engine_error", "engine"),
    ("service", "service"),
    ("assets", "assets"),
    ("lag_seconds", "lag (s)"),
    ("rate", "records/s"),
    ("feed_window_hours", "feed window left (h)"),
    ("dead_letters", "dead letters"),
)
"""The fields of the report in display order, with their labels."""


async def status(settings: Settings, *, as_json: bool) -> int:
    """Print the status of the index and return the exit code."""
    async with open_existing(settings) as base:
        report = await index_report(base)
    if as_json:
        print_json(report)
    else:
        _show(report)
    return OK if report["ready"] and not report.get("degraded") else PROBLEMS


def _show(report: dict[str, Any]) -> None:
    engine = f"{report['engine']} {report['engine_version']}" if report.get("engine") else "no engine"
    word = "ready" if report["ready"] else "NOT READY"
    console().print(f"{report['alias']} on {engine}: {word}", markup=False)
    if report.get("last_error") == report.get("reason"):
        report = {**report, "last_error": None}
    rows: list[tuple[str, Any]] = [(title, report[name]) for name, title in _ROWS if report.get(name) is not None]
    print_table(("", ""), [*rows, *_work(report)])
    if report["indexes"]:
        columns = ("index", "role", "documents", "size", "mapping", "health", "dead letters")
        print_table(columns, [_index(row) for row in report["indexes"]])


def _work(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rows about the leader, the last reindex and the last verify."""
    rows: list[tuple[str, str]] = []
    if lease := report["lease"]:
        holder = "none" if lease["holder"] is None else lease["holder"] + (" (dead)" if lease["dead"] else "")
        rows.append(("leader", f"{holder}, fence {lease['fence']}"))
    if reindex := report["reindex"]:
        counted = f", {reindex['done']} of {reindex['total']}" if reindex["total"] else ""
        why = f": {reindex['reason']}" if reindex["reason"] else ""
        rows.append(("last reindex", f"{reindex['stage']}{counted}, into {reindex['index']}{why}"))
    if verified := report["last_verify"]:
        found = ", ".join(f"{count} {drift}" for drift, count in verified["differences"].items() if count)
        rows.append(("last verify", f"{verified['at']}: {found or 'clean'}, {verified['checked']} compared"))
    return rows


def _index(row: dict[str, Any]) -> tuple[Any, ...]:
    size = None if row.get("bytes") is None else f"{row['bytes'] / 2**20:.1f} MB"
    held = (row["index"], row["role"], row.get("documents"), size)
    return (*held, row.get("mapping"), row["health"], row["dead_letters"])
