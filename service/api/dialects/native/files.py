"""``GET /files/{asset_id}/{rendition}/{filename}``: originals and pictures of them."""

from __future__ import annotations

from starlette.responses import Response

from service.api.dialects.native.params import ReadFile
from service.api.kernel.authentication import LINK_HOLDER
from service.api.kernel.call import Call
from service.api.kernel.file_response import answer_file, is_first_fetch
from service.core.events.usage import Use
from service.core.files.links import version_of
from service.errors import NotFound


async def read(call: Call[ReadFile, None]) -> Response:
    """Return an original or a picture of it, whole or in part."""
    asset_id, assets = call.path["asset_id"], call.context.assets
    record = await (assets.get_any(asset_id) if call.who is LINK_HOLDER else assets.get(call.who, asset_id))
    if call.who is LINK_HOLDER and record.body.get("deleted_at"):
        raise NotFound("asset", asset_id)  # its links end when it goes to the trash
    version = call.params.v
    if version and version != version_of(record.body.get("sha256", "")):
        raise NotFound("rendition", call.path["rendition"])  # the file was replaced
    rendition = await call.context.renditions.find(record.body, call.path["rendition"])
    attachment = call.params.download is not None
    response = await answer_file(
        call.request, call.context.renditions, rendition, attachment=attachment, lasting=bool(version)
    )
    if call.path["rendition"] == "original" and is_first_fetch(call.request, response):
        user_id = call.who.user_id or None
        call.context.usage.record(Use.DOWNLOAD, record.body["org_id"], user_id, asset_id=record.key)
    return response
