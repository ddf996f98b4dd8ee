"""Exports and bulk downloads: ``/exports/…``, ``/assets/bulk/download`` and ``/downloads/{download_id}``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from starlette.responses import Response

from service.api.dialects.native import answers
from service.api.dialects.native.assets import view_context_of
from service.api.dialects.native.params import FetchDownload
from service.api.dialects.native.views import download_url, megabytes, operation
from service.api.kernel.authentication import LINK_HOLDER
from service.api.kernel.call import Call, Reply
from service.api.kernel.file_response import answer_file
from service.api.kernel.inputs import NoParams
from service.core.exports.exports import download_of
from service.core.exports.requests import BulkDownload, ExportSearch
from service.core.files.renditions import Rendition
from service.core.operations.operations import FINISHED
from service.errors import OperationFailed
from service.ports.store import Record
from service.times import api_time, timestamp

PATIENCE = 1.0
"""Seconds that an answer waits for a small export."""
WAIT = 10.0
"""Seconds that a download waits for what it is of."""
_A_SECOND = 100
"""Assets that are exported in a second, as a first guess."""

_Status = Literal["preparing", "ready", "failed", "cancelled"]
_STATUSES: Mapping[str, _Status] = {"completed": "ready", "failed": "failed", "cancelled": "cancelled"}


async def bulk_download(call: Call[NoParams, BulkDownload]) -> Reply:
    """Pack the files of many assets into an archive."""
    record = await call.context.exports.download(call.who, call.body, call.base, call.attempt)
    record = await call.context.operations.settled(record.key, PATIENCE)
    result = record.body.get("result")
    body: answers.DownloadOperation = {
        "download_id": download_of(record.key),
        "status": _STATUSES.get(record.body["status"], "preparing"),
        "file_count": None if result is None else result["file_count"],
        "total_size_mb": _size(record),
        "estimated_ready_time": _ready(record),
        "download_url": download_url(record.key, view_context_of(call)),
    }
    return _reply(call, record, body)


async def export_search(call: Call[NoParams, ExportSearch]) -> Reply:
    """Export what a search finds, as a table or an archive."""
    record = await call.context.exports.search(call.who, call.body, call.base, call.attempt)
    record = await call.context.operations.settled(record.key, PATIENCE)
    body: answers.Export = {
        "export_id": record.key,
        "operation_id": record.key,
        "status": _STATUSES.get(record.body["status"], "preparing"),
        "format": record.body["params"]["format"],
        "total_size_mb": _size(record),
        "estimated_ready_time": _ready(record),
        "download_url": download_url(record.key, view_context_of(call)),
    }
    return _reply(call, record, body)


async def download(call: Call[FetchDownload, None]) -> Reply | Response:
    """Return what an export made, whole or in part; wait for it, or say when to ask again."""
    who = None if call.who is LINK_HOLDER else call.who
    found = await call.context.downloads.find(who, call.path["download_id"], WAIT)
    if isinstance(found, Rendition):
        return await answer_file(call.request, call.context.renditions, found, attachment=True)
    status = found.body["status"]
    if status in FINISHED:
        raise OperationFailed(
            f"The operation has {'been cancelled' if status == 'cancelled' else 'failed'}: begin another."
        )
    return Reply(operation(found, view_context_of(call)), 202, {"Retry-After": "1"})


def _reply(call: Call[Any, Any], record: Record, body: Any) -> Reply:
    if record.body["status"] in FINISHED:
        return Reply(body, headers={"Location": call.url(f"/operations/{record.key}")})
    return call.accepted(body, f"/operations/{record.key}")


def _size(record: Record) -> float | None:
    result = record.body.get("result")
    return None if result is None else megabytes(result["size"])


def _ready(record: Record) -> str:
    if record.body["status"] in FINISHED:
        return api_time(record.body["completed_at"])
    left = max(record.body["progress"]["total"], len(record.body["params"].get("asset_ids") or ()))
    return api_time(timestamp(datetime.now(UTC) + timedelta(seconds=1 + left / _A_SECOND)))
