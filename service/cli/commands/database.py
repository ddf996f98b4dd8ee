"""``assetry db``."""

from __future__ import annotations

from dataclasses import asdict

from service.cli.output import console, print_json, print_table
from service.runtime import engine_setup
from service.settings import Settings


async def init(settings: Settings, *, dry_run: bool, as_json: bool) -> None:
    """Set up the engines that keep data, or say what would be done."""
    places = engine_setup.names(settings)
    tasks = await (engine_setup.planned if dry_run else engine_setup.applied)(settings)
    if as_json:
        print_json({"dry_run": dry_run, "places": places, "steps": [asdict(task) for task in tasks]})
        return
    if not places:
        console().print("Nothing to do: the embedded store and folder set themselves up.")
        return
    if tasks:
        columns = ("engine", "what", "to do" if dry_run else "done", "how")
        print_table(columns, [(task.engine, task.target, task.action, task.detail) for task in tasks])
    end = "nothing to do" if not tasks else f"{len(tasks)} to do" if dry_run else f"{len(tasks)} done"
    console().print(f"{', '.join(places)}: {end}.", markup=False)
