"""``assetry bulk``, and ``assetry operations undo`` and ``resume``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from service import settings
from service.cli.commands.operation_runs import Shown, caller, run_operation
from service.cli.exit_codes import OK
from service.cli.output import console, print_json, print_table
from service.core.access.keys import Principal
from service.core.bulk.bulk import Confirmation, Preview
from service.core.bulk.requests import BulkDelete, BulkRequest, BulkUpdate
from service.core.search.filters import read_filters
from service.errors import InvalidInput
from service.ports.store import Record
from service.runtime.base import open_existing
from service.runtime.bootstrap import open_long_work
from service.runtime.operations import LongWork

M = TypeVar("M", bound=BaseModel)
Start: TypeAlias = Callable[[LongWork, Principal], Awaitable[Record]]


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for, as typed."""

    query: str
    filters: str = ""
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False

    def selection(self) -> dict[str, Any]:
        """Return which assets are meant. Raises InvalidInput."""
        return {"query": self.query, "filters": read_filters(self.filters, "--filters") or None}

    def shown(self, doing: str, done: str = "changed") -> Shown:
        """Return how the run is shown."""
        return Shown(doing, done, as_json=self.as_json, quiet=self.quiet)


@dataclass(frozen=True, slots=True)
class Edits:
    """What changes, as typed."""

    set: str = ""
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    add_collections: tuple[str, ...] = ()
    remove_collections: tuple[str, ...] = ()
    title_prefix: str | None = None
    description_suffix: str | None = None

    def updates(self) -> dict[str, Any]:
        """Return the updates. Raises InvalidInput."""
        found: dict[str, Any] = {}
        if self.set:
            try:
                found = orjson.loads(self.set)
            except orjson.JSONDecodeError as error:
                raise InvalidInput("--set is not JSON.", field="--set", expected='{"license": "CC0"}') from error
            if not isinstance(found, dict):
                raise InvalidInput("--set is not an object.", field="--set", expected='{"license": "CC0"}')
        lists = {
            "tags": (self.add_tags, self.remove_tags),
            "collections": (self.add_collections, self.remove_collections),
        }
        for name, (add, remove) in lists.items():
            if add or remove:
                found[name] = {"add": list(add), "remove": list(remove)}
        for name in ("title_prefix", "description_suffix"):
            if (text := getattr(self, name)) is not None:
                found[name] = text
        if not found:
            raise InvalidInput("Nothing would change.", field="--set", expected="--set, --add-tag or another edit")
        return found


async def update(data: Path | None, org: str, options: Options, edits: Edits) -> int:
    """Change the metadata of what a query finds; returns the exit code."""
    request = _checked(BulkUpdate, {**options.selection(), "updates": edits.updates()})
    if options.dry_run:
        return await _preview(data, org, options, request)

    async def start(work: LongWork, who: Principal) -> Record:
        return await work.bulk.update(who, request)

    return await run_operation(data, org, start, options.shown("changing"))


async def delete(
    data: Path | None,
    org: str,
    options: Options,
    *,
    permanent: bool,
    backup: bool,
    reason: str | None,
    confirm: Callable[[str], bool],
) -> int:
    """Delete what a query finds, if ``confirm`` says so; returns the exit code."""
    body: dict[str, Any] = {
        **options.selection(),
        "reason": reason,
        "options": {"permanent_delete": permanent, "create_backup": backup},
        "confirmation_required": True,
    }
    request = _checked(BulkDelete, body)
    if options.dry_run:
        return await _preview(data, org, options, request)
    async with open_existing(settings.load(data=data)) as base, open_long_work(base, works=False) as work:
        asked = await work.bulk.delete(caller(org), request)
    assert isinstance(asked, Confirmation)
    what = "1 asset" if asked.total == 1 else f"{asked.total} assets"
    if not confirm(f"Delete {what} for good?" if permanent else f"Move {what} to the trash?"):
        console(stderr=True).print("Nothing was deleted.", markup=False)
        return OK
    confirmed = request.model_copy(update={"confirmation_token": asked.token})

    async def start(work: LongWork, who: Principal) -> Record:
        record = await work.bulk.delete(who, confirmed)
        assert isinstance(record, Record)
        return record

    return await run_operation(data, org, start, options.shown("deleting", "deleted"))


async def undo(data: Path | None, org: str, operation_id: str, *, as_json: bool, quiet: bool) -> int:
    """Undo an operation; returns the exit code."""

    async def start(work: LongWork, who: Principal) -> Record:
        return await work.undoing.start(who, operation_id)

    return await run_operation(data, org, start, Shown("undoing", "changed back", as_json=as_json, quiet=quiet))


async def resume(data: Path | None, org: str, operation_id: str, *, as_json: bool, quiet: bool) -> int:
    """Work on an operation that was interrupted, until its end; returns the exit code."""

    async def start(work: LongWork, who: Principal) -> Record:
        return await work.operations.get(who, operation_id)

    return await run_operation(data, org, start, Shown("working", as_json=as_json, quiet=quiet))


def _checked(model: type[M], body: dict[str, Any]) -> M:
    """Return a request. Raises InvalidInput for the first thing that is wrong with it."""
    try:
        return model.model_validate_json(orjson.dumps(body))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if isinstance(part, str) and part not in ("updates",))
        raise InvalidInput(f"{place or 'The request'}: {first['msg']}.", field=place or None) from error


async def _preview(data: Path | None, org: str, options: Options, request: BulkRequest) -> int:
    async with open_existing(settings.load(data=data)) as base, open_long_work(base, works=False) as work:
        preview = await work.bulk.preview(caller(org), request)
    _print_preview(preview, as_json=options.as_json)
    return OK


def _print_preview(preview: Preview, *, as_json: bool) -> None:
    if as_json:
        items = [
            {
                "id": item.key,
                "status": item.status,
                "reason": item.reason,
                "message": item.message,
                "before": item.before,
                "after": item.after,
            }
            for item in preview.items
        ]
        print_json({"dry_run": True, "total": preview.total, "items": items})
        return
    rows = [
        (
            item.key,
            item.message or "",
            "\n".join(f"{name}: {_short(item.before[name])} → {_short(item.after[name])}" for name in item.after),
        )
        for item in preview.items
    ]
    shown = f"{preview.total} assets" + ("" if len(rows) == preview.total else f", the first {len(rows)} of them")
    print_table(("id", "why not", "would change"), rows, shown)


def _short(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 80 else f"{text[:79]}…"
