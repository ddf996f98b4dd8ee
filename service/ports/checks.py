"""What an examination of an engine found, for ``assetry doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"  # it works today; the fix keeps it so
    FAILED = "failed"  # the service cannot work, or could lose data


@dataclass(frozen=True, slots=True)
class Check:
    """One fact about one engine.

    ``engine`` is the port's name (store, search, files, jobs …), ``name`` says what was looked at (version,
    permissions, replica set …), ``found`` what it is, ``fix`` what to do about it (empty when all is well),
    ``setting`` the setting to change where that is the fix.
    """

    engine: str
    name: str
    health: Health
    found: str
    fix: str = ""
    setting: str = ""
