"""``assetry db``."""

from __future__ import annotations

from dataclasses import asdict

from service.cli.output import console, print_json, print_table
from service.runtime import engine_setup
from service.settings import Settings


async def init(settings: Settings, *, dry_run: bool, as_json: bool) -> None:
    """Set up the persistent engines, or print what would be done."""
    targets = engine_setup.names(settings)
    tasks = await (engine_setup.plan if dry_run else engine_setup.apply)(settings)
    if as_json:
        print_json({"dry_run": dry_run, "targets": targets, "steps": [asdict(task) for task in tasks]})
        return
    if not targets:
        console().print("Nothing to do: the embedded store and the data folder need no setup.")
        return
    if tasks:
        columns = ("engine", "object", "to do" if dry_run else "done", "details")
        print_table(columns, [(task.engine, task.target, task.action, task.detail) for task in tasks])
    end = "nothing to do" if not tasks else f"{len(tasks)} to do" if dry_run else f"{len(tasks)} done"
    console().print(f"{', '.join(targets)}: {end}.", markup=False)
