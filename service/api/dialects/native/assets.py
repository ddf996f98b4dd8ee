"""Single assets: ``/assets`` and ``/assets/{asset_id}``."""

from __future__ import annotations

from typing import Any

from service.api.dialects.native.params import DeleteAsset, NoParams, ReadAsset
from service.api.kernel.call import Call, Reply
from service.api.kernel.inputs import expected_rev, parse_json, read_json
from service.core.assets.views import Include
from service.errors import InvalidInput
from service.model import AssetCreate, AssetPatch
from service.ports.store import AnyRecord


def body_of(record: AnyRecord) -> dict[str, Any]:
    """Return a record's body with its rev and time, as the views take it."""
    return {**record.body, "rev": record.rev, "updated_at": record.updated_at}


def _reply(call: Call[Any], record: AnyRecord, status: int = 200, include: Include | None = None) -> Reply:
    view = call.context.views.asset(body_of(record), call.who, call.base, include or Include())
    # The links in the answer change with their window, so the entity tag does too.
    return Reply(view, status, {"ETag": f'"{record.rev}-{call.context.links.window}"'})


async def create(call: Call[NoParams]) -> Reply:
    """Create an asset from JSON, or from a form with the parts ``asset`` (JSON) and ``file``."""
    upload = None
    if call.form is None:
        given = await read_json(AssetCreate, call.request, call.context.settings.json_limit)
    else:
        upload = call.form.upload
        if call.form.asset is None and upload is None:
            raise InvalidInput("The form is empty.", field="file", expected="the parts asset and file")
        given = parse_json(AssetCreate, call.form.asset or b"{}", "asset")
    record = await call.context.assets.create(call.who, given, upload, call.attempt)
    reply = _reply(call, record, 201)
    return Reply(reply.body, 201, {**reply.headers, "Location": f"{call.base}{call.prefix}/assets/{record.key}"})


async def read(call: Call[ReadAsset]) -> Reply:
    """Return an asset, with or without its metadata, statistics and URLs."""
    record = await call.context.assets.get(call.who, call.path["asset_id"])
    params = call.params
    include = Include(params.include_metadata, params.include_stats, params.include_urls)
    return _reply(call, record, include=include)


async def update(call: Call[NoParams]) -> Reply:
    """Change the fields that the body names; ``If-Match`` makes sure that nobody else did meanwhile."""
    given = await read_json(AssetPatch, call.request, call.context.settings.json_limit)
    rev = expected_rev(call.request)
    return _reply(call, await call.context.assets.change(call.who, call.path["asset_id"], given, expected_rev=rev))


async def delete(call: Call[DeleteAsset]) -> Reply:
    """Move an asset to the trash, or delete it for good."""
    rev = expected_rev(call.request)
    deleted = await call.context.assets.delete(
        call.who,
        call.path["asset_id"],
        permanent=call.params.permanent,
        backup=call.params.backup,
        expected_rev=rev,
    )
    body = {"id": deleted.id, "is_deleted": True, "permanent": deleted.permanent, "backup_id": deleted.backup_id}
    return Reply(body)
