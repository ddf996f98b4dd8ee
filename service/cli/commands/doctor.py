"""``assetry doctor``."""

from __future__ import annotations

from dataclasses import asdict

from service.cli.exit_codes import FOUND, OK
from service.cli.output import console, print_json, print_table
from service.ports.checks import Check, Health
from service.runtime.doctor import examined
from service.settings import Settings

MARKS = {Health.OK: "ok", Health.WARNING: "warning", Health.FAILED: "FAILED"}


async def examine(settings: Settings, *, as_json: bool) -> int:
    """Print what was found; returns the exit code."""
    found = await examined(settings)
    failed = sum(check.health is Health.FAILED for check in found)
    warnings = sum(check.health is Health.WARNING for check in found)
    if as_json:
        print_json({"ok": not failed, "failed": failed, "warnings": warnings, "checks": [asdict(c) for c in found]})
    else:
        columns = ("engine", "check", "state", "found", "fix")
        print_table(columns, [(c.engine, c.name, MARKS[c.health], c.found, _mend(c)) for c in found])
        console().print(f"{len(found)} checks: {failed} failed, {warnings} to look at", markup=False)
    return FOUND if failed else OK


def _mend(check: Check) -> str:
    """Return what to do, with the setting where one is to be changed."""
    if not check.fix or not check.setting or check.setting in check.fix:
        return check.fix
    return f"{check.fix} ({check.setting})"
