"""``assetry doctor``."""

from __future__ import annotations

from dataclasses import asdict

from service.cli.exit_codes import OK, PROBLEMS
from service.cli.output import console, print_json, print_table
from service.ports.checks import Check, Health
from service.runtime.doctor import run_checks
from service.settings import Settings

MARKS = {Health.OK: "ok", Health.WARNING: "warning", Health.FAILED: "FAILED"}


async def examine(settings: Settings, *, as_json: bool) -> int:
    """Print the results of the checks and return the exit code."""
    found = await run_checks(settings)
    failed = sum(check.health is Health.FAILED for check in found)
    warnings = sum(check.health is Health.WARNING for check in found)
    if as_json:
        print_json({"ok": not failed, "failed": failed, "warnings": warnings, "checks": [asdict(c) for c in found]})
    else:
        columns = ("engine", "check", "state", "found", "fix")
        print_table(columns, [(c.engine, c.name, MARKS[c.health], c.found, _fix_text(c)) for c in found])
        console().print(f"{len(found)} checks: {failed} failed, {warnings} warnings", markup=False)
    return PROBLEMS if failed else OK


def _fix_text(check: Check) -> str:
    """Return the suggested fix, with the setting to change if there is one."""
    if not check.fix or not check.setting or check.setting in check.fix:
        return check.fix
    return f"{check.fix} ({check.setting})"
