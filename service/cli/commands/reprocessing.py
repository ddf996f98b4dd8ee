"""``assetry reprocess``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from service import settings
from service.cli.commands.operation_runs import Shown, caller, run_operation
from service.cli.exit_codes import OK
from service.cli.output import console, print_json
from service.core.access.keys import Principal
from service.core.assets.reprocess import REPROCESS, ReprocessRequest
from service.core.search.filters import read_filters
from service.errors import InvalidInput
from service.ports.store import Record
from service.runtime.base import open_existing
from service.runtime.bootstrap import open_long_work
from service.runtime.operations import LongWork


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for, as typed."""

    query: str | None
    filters: str = ""
    resume: str | None = None
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False

    def request(self) -> ReprocessRequest:
        """Return the request for a new operation. Raises InvalidInput."""
        if self.query is None or self.resume is not None:
            raise InvalidInput(
                "Give either QUERY or --resume.", field="QUERY", expected="a query text; '' means every asset"
            )
        return ReprocessRequest(query=self.query, filters=read_filters(self.filters, "--filters") or None)


async def reprocess(data: Path | None, org: str, options: Options) -> int:
    """Reprocess and report; returns the exit code."""
    if options.dry_run:
        async with (
            open_existing(settings.load(data=data)) as base,
            open_long_work(base, works=False) as work,
        ):
            count = await work.reprocessing.count(caller(org), options.request())
        if options.as_json:
            print_json({"dry_run": True, "total": count})
        else:
            console().print(f"{count} assets would be read again", markup=False)
        return OK

    async def start(work: LongWork, who: Principal) -> Record:
        return await _operation(work, who, options)

    shown = Shown("reading", resume="assetry reprocess --resume {}", as_json=options.as_json, quiet=options.quiet)
    return await run_operation(data, org, start, shown)


async def _operation(work: LongWork, who: Principal, options: Options) -> Record:
    if options.resume is None:
        return await work.reprocessing.start(who, options.request())
    if options.query is not None:
        options.request()
    record = await work.operations.get(who, options.resume)
    if record.body["type"] != REPROCESS.name:
        raise InvalidInput(
            f"{options.resume} is an operation of the type {record.body['type']}.",
            field="--resume",
            expected="reprocess",
        )
    return record
