"""What clients bring to the engine themselves, or fetch from it: staged uploads and signed links."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from service.errors import InvalidInput, NotFound, TooLarge
from service.ports.files import Files
from tests.contracts.content import CONTENT, MIB, SHA256, absent, read, stream
from tests.support.waiting import eventually


async def test_a_staged_upload_is_adopted(files: Files) -> None:
    content = CONTENT * 2 + b"tail"
    assert await files.stage("org", "upload-1", stream(content), limit=len(content)) == len(content)
    put = await files.adopt("org", "upload-1", expected_sha256=hashlib.sha256(content).hexdigest(), limit=len(content))
    assert put == await files.put("org", stream(content))
    assert await read(files, put.key) == content
    with pytest.raises(NotFound):
        await files.adopt("org", "upload-1")


async def test_a_staged_upload_is_of_its_space_and_name(files: Files) -> None:
    await files.stage("org", "one", stream(b"1"))
    for space, upload in (("org", "two"), ("other", "one")):
        with pytest.raises(NotFound):
            await files.adopt(space, upload)
    assert (await files.adopt("org", "one")).size == 1


async def test_the_last_stage_of_a_name_wins_and_a_broken_one_changes_nothing(files: Files) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield CONTENT
        raise ConnectionResetError

    await files.stage("org", "u", stream(b"first"))
    await files.stage("org", "u", stream(b"second"))
    with pytest.raises(ConnectionResetError):
        await files.stage("org", "u", broken())
    with pytest.raises(TooLarge):
        await files.stage("org", "u", stream(b"third, too long"), limit=5)
    assert await read(files, (await files.adopt("org", "u")).key) == b"second"


async def test_a_staged_upload_that_is_refused_is_dropped(files: Files) -> None:
    await files.stage("org", "wrong", stream(CONTENT))
    with pytest.raises(InvalidInput) as caught:
        await files.adopt("org", "wrong", expected_sha256="0" * 64)
    assert caught.value.field == "sha256"
    await files.stage("org", "large", stream(CONTENT))
    with pytest.raises(TooLarge):
        await files.adopt("org", "large", limit=MIB - 1)
    for upload in ("wrong", "large"):
        with pytest.raises(NotFound):
            await files.adopt("org", upload)
    await absent(files, CONTENT)


async def test_content_that_is_there_may_be_staged_and_adopted_again(files: Files) -> None:
    put = await files.put("org", stream(CONTENT))
    await files.stage("org", "again", stream(CONTENT))
    assert await files.adopt("org", "again") == put
    assert await read(files, put.key) == CONTENT


async def test_the_sweep_takes_old_leftovers_and_nothing_else(files: Files) -> None:
    put = await files.put("org", stream(CONTENT))
    await files.stage("org", "u", stream(b"staged"))
    assert await files.sweep() == 0
    assert (await files.adopt("org", "u")).size == 6
    await files.stage("org", "old", stream(b"staged"))

    async def swept() -> bool:
        return await files.sweep(older_than=0) == 1

    await eventually(swept, "the staged upload is swept")
    with pytest.raises(NotFound):
        await files.adopt("org", "old")
    assert await read(files, put.key) == CONTENT


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", ".hidden", "a b", "x" * 200])
async def test_the_name_of_an_upload_is_never_a_way_out(files: Files, name: str) -> None:
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: files.stage("org", name, stream(b"x")),
        lambda: files.adopt("org", name),
        lambda: files.signed_put("org", name, seconds=60),
    ]
    for call in calls:
        with pytest.raises(InvalidInput):
            await call()


async def test_a_link_is_good_for_its_object_until_it_expires(files: Files) -> None:
    put, other = await files.put("org", stream(CONTENT)), await files.put("org", stream(b"other"))

    async def link(key: str, seconds: int) -> str | None:
        return await files.signed_get(
            key, seconds=seconds, filename="wide üni.svg", mime_type="image/svg+xml", attachment=True
        )

    url, brief, its = await link(put.key, 60), await link(put.key, 1), await link(other.key, 60)
    if url is None or brief is None or its is None:
        assert url is brief is its is None  # no client can reach the engine: the service serves the file itself
        return
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
        assert (answer.status_code, answer.content) == (200, CONTENT)
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert "filename*=UTF-8''wide%20%C3%BCni.svg" in answer.headers["content-disposition"]
        part = await client.get(url, headers={"Range": "bytes=5-9"})
        assert (part.status_code, part.content) == (206, CONTENT[5:10])
        path, query = httpx.URL(its).path, httpx.URL(url).query.decode()
        inline = query.replace("attachment", "inline", 1)
        for tampered in (query.replace("image", "text", 1), inline, query[:-1] + ("0" if query[-1] != "0" else "1")):
            assert tampered != query
            assert (await client.get(httpx.URL(url, query=tampered.encode()))).status_code == 403
        assert (await client.get(httpx.URL(url, path=path))).status_code == 403
        assert (await client.put(url, content=b"x")).status_code == 403
        assert (await client.delete(url)).status_code == 403

        async def expired() -> bool:
            return (await client.get(brief)).status_code == 403

        await eventually(expired, "the link has expired")


async def test_a_client_uploads_by_a_link(files: Files) -> None:
    url = await files.signed_put("org", "u", seconds=60)
    if url is None:  # no client can reach the engine: the service takes the bytes
        await files.stage("org", "u", stream(CONTENT))
    else:
        async with httpx.AsyncClient() as client:
            assert (await client.put(url, content=CONTENT, headers={"Content-Type": "text/html"})).status_code == 200
            assert (await client.get(url)).status_code == 403
    put = await files.adopt("org", "u", expected_sha256=SHA256)
    assert await read(files, put.key) == CONTENT
