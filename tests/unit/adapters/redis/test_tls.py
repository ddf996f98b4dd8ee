"""TLS to Redis: whom it trusts, and what it says when it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from service.adapters.redis.client import RedisOptions, connect
from service.errors import SettingsError
from tests.support import certificates
from tests.support.certificates import Authority, Issued, server_side
from tests.support.redis_servers import scripted

pytestmark = pytest.mark.skipif(not certificates.available(), reason=certificates.NEEDS)


@dataclass(frozen=True)
class Files:
    root: Path
    server: Issued
    elsewhere: Issued


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    authority = Authority(tmp_path_factory.mktemp("certificates"), "authority")
    return Files(
        authority.root,
        authority.issue("server", "IP:127.0.0.1"),
        authority.issue("elsewhere", "DNS:elsewhere.example"),
    )


@pytest.mark.parametrize("parameters", ["ssl_ca_certs={root}", "ssl_cert_reqs=none"])
async def test_whom_the_url_trusts_is_connected_to(files: Files, parameters: str) -> None:
    async with scripted(tls=server_side(files.server)) as script:
        url = f"rediss://127.0.0.1:{script.port}?{parameters.format(root=files.root)}"
        client = await connect(RedisOptions(url))
        assert await client.ping()
        await client.aclose()


async def test_a_certificate_that_proves_nothing_is_named(files: Files) -> None:
    async with scripted(tls=server_side(files.server)) as script:
        with pytest.raises(SettingsError, match=r"not trusted.* name its CA with \?ssl_ca_certs=FILE"):
            await connect(RedisOptions(f"rediss://127.0.0.1:{script.port}"))
    async with scripted(tls=server_side(files.elsewhere)) as script:
        with pytest.raises(SettingsError, match="another host: use the host name in the certificate"):
            await connect(RedisOptions(f"rediss://127.0.0.1:{script.port}?ssl_ca_certs={files.root}"))
