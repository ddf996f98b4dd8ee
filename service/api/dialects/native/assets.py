"""Single assets: ``/assets`` and ``/assets/{asset_id}``."""

from __future__ import annotations

from typing import Any

from service.api.dialects.native.answers import DeletedAsset
from service.api.dialects.native.params import DeleteAsset, ReadAsset
from service.api.dialects.native.read_only import READ_ONLY, AssetUpdate, check_read_only
from service.api.dialects.native.views import ALL, Include, asset
from service.api.kernel.call import Call, Reply
from service.api.kernel.conditions import expected_rev, record_tag
from service.api.kernel.inputs import NoParams
from service.core.assets.objects import ViewContext, body_of
from service.core.events.usage import Use
from service.model import AssetCreate
from service.ports.store import AnyRecord


def view_context_of(call: Call[Any, Any]) -> ViewContext:
    """Return for whom a call's asset objects are made."""
    return ViewContext(call.who, call.context.links, call.base)


def _reply(call: Call[Any, Any], record: AnyRecord, status: int = 200, include: Include = ALL, **headers: str) -> Reply:
    # The links in the answer change with their window, so the entity tag does too.
    etag = record_tag(record.rev, call.context.links.window)
    return Reply(asset(body_of(record), view_context_of(call), include), status, {"ETag": etag, **headers})


async def _expected_rev(call: Call[Any, Any]) -> int | None:
    return await expected_rev(call.request.headers, lambda: call.context.assets.get(call.who, call.path["asset_id"]))


async def create(call: Call[NoParams, AssetCreate]) -> Reply:
    """Create an asset from JSON, or from a form with the parts ``asset`` (JSON) and ``file``."""
    upload = next(iter(call.uploads), None)
    record = await call.context.assets.create(call.who, call.body, upload, call.attempt)
    return _reply(call, record, 201, Location=call.url(f"/assets/{record.key}"))


async def read(call: Call[ReadAsset, None]) -> Reply:
    """Return an asset, with or without its metadata, statistics and URLs."""
    record = await call.context.assets.get(call.who, call.path["asset_id"])
    if call.request.method == "GET":
        call.context.usage.record(Use.VIEW, call.who.org_id, call.who.user_id, asset_id=record.key)
    params = call.params
    include = Include(params.include_metadata, params.include_stats, params.include_urls)
    return _reply(call, record, include=include)


async def update(call: Call[NoParams, AssetUpdate]) -> Reply:
    """Change the fields that the body names; ``If-Match`` makes sure that nobody else did meanwhile.

    An asset that was read may be sent back as a whole. A form with the part ``file`` replaces the asset's file.
    """
    rev = await _expected_rev(call)
    if call.body.model_fields_set & READ_ONLY:
        current = await call.context.assets.get(call.who, call.path["asset_id"])
        check_read_only(call.body, asset(body_of(current), view_context_of(call)))
    upload = next(iter(call.uploads), None)
    record = await call.context.assets.change(call.who, call.path["asset_id"], call.body, upload, expected_rev=rev)
    if call.body.is_favorite:
        call.context.usage.record(Use.FAVORITE, call.who.org_id, call.who.user_id, asset_id=record.key)
    return _reply(call, record)


async def delete(call: Call[DeleteAsset, None]) -> Reply:
    """Move an asset to the trash, or delete it for good."""
    rev = await _expected_rev(call)
    deleted = await call.context.assets.delete(
        call.who,
        call.path["asset_id"],
        permanent=call.params.permanent,
        backup=call.params.backup,
        expected_rev=rev,
    )
    body: DeletedAsset = {
        "id": deleted.id,
        "is_deleted": True,
        "permanent": deleted.permanent,
        "backup_id": deleted.backup_id,
    }
    return Reply(body)
