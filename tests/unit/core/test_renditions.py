from __future__ import annotations

import asyncio
import time

import pytest

from service.core.access.keys import Principal
from service.core.files.renditions import FAILED_SECONDS, Renditions, available
from service.errors import NotFound
from service.model import AssetCreate
from tests.unit.core.fakes import Facts, Shelf


async def _image(shelf: Shelf, who: Principal, content: bytes) -> dict[str, object]:
    shelf.reader.facts = Facts(type="image", mime_type="image/png", ext="png", metadata={"format": "png"})
    return dict((await shelf.create(who, AssetCreate(), content, "a b.png")).body)


async def test_made_once_however_many_ask(shelf: Shelf, who: Principal) -> None:
    renditions = Renditions(shelf.files, shelf.reader)
    body = await _image(shelf, who, b"pixels")
    found = await asyncio.gather(*(renditions.find(body, "thumbnail") for _ in range(20)))
    assert shelf.reader.made == 1
    assert {rendition.filename for rendition in found} == {"a b-thumbnail.webp"}
    async with renditions.open(found[0], None) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b"picture of 512"
    await renditions.find(body, "thumbnail")
    assert shelf.reader.made == 1, "it is kept"


async def test_one_who_gives_up_takes_it_from_nobody(shelf: Shelf, who: Principal) -> None:
    renditions = Renditions(shelf.files, shelf.reader)
    body = await _image(shelf, who, b"pixels")
    first = asyncio.create_task(renditions.find(body, "thumbnail"))
    second = asyncio.create_task(renditions.find(body, "thumbnail"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).mime_type == "image/webp"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_what_there_is_not(shelf: Shelf, who: Principal) -> None:
    renditions = Renditions(shelf.files, shelf.reader)
    dull = await _image(shelf, who, b"dull pixels")
    for body, name in ((dull, "thumbnail"), (dull, "poster"), ({"id": "asset_1", "type": "link"}, "original")):
        with pytest.raises(NotFound):
            await renditions.find(body, name)


async def test_a_failure_is_remembered_for_a_while(shelf: Shelf, who: Principal) -> None:
    now = time.time()
    renditions = Renditions(shelf.files, shelf.reader, lambda: now)
    dull = await _image(shelf, who, b"dull pixels")
    for _ in range(3):
        with pytest.raises(NotFound):
            await renditions.find(dull, "thumbnail")
    assert shelf.reader.made == 1
    with pytest.raises(NotFound):
        await Renditions(shelf.files, shelf.reader).find(dull, "thumbnail")  # another process
    assert shelf.reader.made == 1
    now += FAILED_SECONDS + 60
    with pytest.raises(NotFound):
        await renditions.find(dull, "thumbnail")
    assert shelf.reader.made == 2


def test_what_an_asset_offers() -> None:
    assert available({"type": "link"}) == []
    assert available({"type": "audio", "sha256": "x"}) == ["original"]
    assert available({"type": "pdf", "sha256": "x"}) == ["original", "thumbnail", "preview"]
