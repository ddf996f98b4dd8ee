"""The result of checking an engine, for ``assetry doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    WARNING = "warning"  # works now, but needs attention
    FAILED = "failed"  # the service cannot work, or could lose data


@dataclass(frozen=True, slots=True)
class Check:
    """One fact about one engine.

    ``engine`` is the port's name (store, search, files, jobs …), ``name`` is what was checked (version, permissions,
    replica set …), ``found`` is the result, ``fix`` is what to do about it (empty if nothing is wrong), and ``setting``
    names the setting to change if that is the fix.
    """

    engine: str
    name: str
    health: Health
    found: str
    fix: str = ""
    setting: str = ""
