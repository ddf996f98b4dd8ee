"""TLS and basic authentication, through a TLS server in front of the embedded engine."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from mappings.index import index_body
from service.adapters.embedded_search.process import OsmemProcess
from service.adapters.opensearch.checks import checks
from service.adapters.opensearch.engine import Connection, OpenSearchEngine
from service.adapters.opensearch.startup import verify
from service.errors import SettingsError, Unavailable
from service.ports.checks import Health
from service.ports.search import BulkItem
from tests.support import certificates
from tests.support.certificates import Authority, Issued, server_side
from tests.unit.adapters.opensearch.servers import Answer, Request, answering

pytestmark = pytest.mark.skipif(not certificates.available(), reason=certificates.NEEDS)

USER, PASSWORD = "jan", "s3cret/@:"


@dataclass(frozen=True)
class Files:
    authority: Authority
    server: Issued
    elsewhere: Issued
    client: Issued
    stranger: Authority


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder, "authority")
    return Files(
        authority,
        authority.issue("server", "IP:127.0.0.1"),
        authority.issue("elsewhere", "DNS:elsewhere.example"),
        authority.issue("client", "DNS:client.example"),
        Authority(folder, "stranger"),
    )


@asynccontextmanager
async def guarded(tls: ssl.SSLContext) -> AsyncIterator[str]:
    """An engine behind TLS that wants a user and a password."""
    wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    process = OsmemProcess()
    backend = await process.start()
    async with httpx.AsyncClient(base_url=backend) as client:

        async def answer(request: Request) -> Answer:
            if request.headers.get("authorization") != wanted:
                return Answer.json("Unauthorized", 401)
            headers = {"Content-Type": request.headers["content-type"]}
            passed = await client.request(request.method, request.path, content=request.body, headers=headers)
            return Answer(passed.status_code, passed.content, {"Content-Type": passed.headers["content-type"]})

        async with answering(answer, tls) as url:
            yield url
    await process.close()


def connection(*urls: str, files: Files, **changes: Any) -> Connection:
    options = {"user": USER, "password": PASSWORD, "ca_certs": str(files.authority.root), **changes}
    return Connection(urls, **options)


async def test_an_engine_behind_tls_and_a_password_does_everything(files: Files) -> None:
    async with guarded(server_side(files.server)) as url:
        given = connection(url, files=files)
        assert (await verify(given, prefix="assets", writes=True))["engine"] == "opensearch"
        engine = OpenSearchEngine(given)
        await engine.create_index("secure", index_body())
        wide = {"text": {"description": "wide " * 20_000}}
        items = [
            BulkItem(f"asset_{n}", 1, {"asset_id": f"asset_{n}", "deleted": False, "fold": wide}) for n in range(20)
        ]
        outcomes = await engine.bulk("secure", items, refresh=True)
        assert {outcome.status for outcome in outcomes} == {201}
        assert await engine.count("secure", {"match": {"fold.text.description": "wide"}}) == 20
        await engine.close()


async def test_credentials_in_the_url_do_as_well(files: Files) -> None:
    async with guarded(server_side(files.server)) as url:
        full = url.replace("://", "://jan:s3cret%2F%40%3A@")
        await verify(connection(full, files=files, user=None, password=None), prefix="assets", writes=True)


async def refused(given: Connection) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        await verify(given, prefix="assets", writes=True)
    assert PASSWORD not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(("user", "password"), [(None, None), (USER, "wrong"), ("other", PASSWORD)])
async def test_wrong_credentials_are_refused_at_start_and_unavailable_later(
    files: Files, user: str | None, password: str | None
) -> None:
    async with guarded(server_side(files.server)) as url:
        given = connection(url, files=files, user=user, password=password)
        error = await refused(given)
        assert error.setting == "ASSETRY_OPENSEARCH_URL"
        assert "ASSETRY_OPENSEARCH_PASSWORD" in str(error)
        engine = OpenSearchEngine(given)
        with pytest.raises(Unavailable):
            await engine.search("secure", {})
        await engine.close()


@pytest.mark.parametrize("trusted", ["the system's", "a stranger's"])
async def test_an_authority_that_is_not_trusted(files: Files, trusted: str) -> None:
    root = None if trusted == "the system's" else str(files.stranger.root)
    async with guarded(server_side(files.server)) as url:
        error = await refused(connection(url, files=files, ca_certs=root))
    assert error.setting == "ASSETRY_OPENSEARCH_CA"
    assert "not trusted" in str(error)


async def test_a_certificate_for_another_name(files: Files) -> None:
    async with guarded(server_side(files.elsewhere)) as url:
        assert "is for another name" in str(await refused(connection(url, files=files)))


async def test_without_verification_any_certificate_does_and_doctor_says_so(files: Files) -> None:
    async with guarded(server_side(files.elsewhere)) as url:
        given = connection(url, files=files, ca_certs=None, verify_certs=False)
        await verify(given, prefix="assets", writes=True)
        found = {check.name: check for check in await checks(given)}
    assert found["encryption"].health is Health.WARNING
    assert found["permissions"].health is Health.OK


async def test_a_certificate_of_the_client(files: Files) -> None:
    async with guarded(server_side(files.server, clients=files.authority.root)) as url:
        own = {"client_cert": str(files.client.certificate), "client_key": str(files.client.key)}
        await verify(connection(url, files=files, **own), prefix="assets", writes=True)
        error = await refused(connection(url, files=files))
    assert "ASSETRY_OPENSEARCH_CLIENT_CERT" in str(error)


async def test_plain_http_to_a_port_of_tls(files: Files) -> None:
    async with guarded(server_side(files.server)) as url:
        assert "use https://" in str(await refused(connection(url.replace("https:", "http:"), files=files)))


async def test_tls_to_a_port_of_plain_http(files: Files) -> None:
    async with answering(lambda _: Answer.json({})) as url:
        assert "use http://" in str(await refused(connection(url.replace("http:", "https:"), files=files)))


async def test_a_key_of_another_certificate(files: Files) -> None:
    own = {"client_cert": str(files.client.certificate), "client_key": str(files.server.key)}
    error = await refused(connection("https://127.0.0.1:9", files=files, **own))
    assert error.setting == "ASSETRY_OPENSEARCH_CLIENT_CERT"


def test_no_key_is_left_in_the_tree() -> None:
    root = Path(__file__).parents[4]
    names = [path.name for path in root.glob("tests/**/*") if path.suffix in {".key", ".pem"}]
    assert names == []
