"""``GET /files/{asset_id}/{rendition}/{filename}``: originals and pictures of them."""

from __future__ import annotations

from starlette.responses import Response

from service.api.dialects.native.params import ReadFile
from service.api.kernel.authentication import LINK_HOLDER
from service.api.kernel.call import Call
from service.api.kernel.file_response import answer_file


async def read(call: Call[ReadFile, None]) -> Response:
    """Return an original or a picture of it, whole or in part."""
    asset_id, assets = call.path["asset_id"], call.context.assets
    record = await (assets.get_any(asset_id) if call.who is LINK_HOLDER else assets.get(call.who, asset_id))
    rendition = await call.context.renditions.find(record.body, call.path["rendition"])
    attachment = call.params.download is not None
    return await answer_file(call.request, call.context.renditions, rendition, attachment=attachment)
