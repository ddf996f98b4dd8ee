from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import orjson
import pytest

from service.adapters.embedded_search.engine import EmbeddedSearch, running_engine
from service.adapters.embedded_search.process import OsmemProcess
from service.errors import SettingsError, Unavailable
from tests.support.waiting import until

PARENT = """
import asyncio
from service.adapters.embedded_search.process import OsmemProcess

async def main():
    process = OsmemProcess()
    url = await process.start()
    print(process.pid, url, flush=True)
    await process.wait_dead()

asyncio.run(main())
"""


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended but is not collected by its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


@pytest.fixture
async def process() -> AsyncIterator[OsmemProcess]:
    process = OsmemProcess()
    yield process
    await process.close()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedSearch]:
    engine = EmbeddedSearch(beacon=tmp_path / "engine.json")
    await engine.start()
    yield engine
    await engine.close()


async def test_it_answers_on_a_loopback_port_when_start_returns(process: OsmemProcess) -> None:
    url = await process.start()
    assert url.startswith("http://127.0.0.1:")
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 200
    assert await process.start() == url


async def test_two_live_beside_each_other(process: OsmemProcess) -> None:
    other = OsmemProcess()
    try:
        assert await process.start() != await other.start()
    finally:
        await other.close()


async def test_close_ends_it_and_may_be_called_twice(process: OsmemProcess) -> None:
    await process.start()
    pid = process.pid
    assert pid is not None
    await process.close()
    await process.close()
    assert not alive(pid)
    assert (process.pid, process.url) == (None, None)


async def test_a_death_is_noticed_and_a_restart_is_another_process(process: OsmemProcess) -> None:
    first = await process.start()
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert await process.wait_dead() == -signal.SIGKILL
    assert await process.restart() != first
    assert process.pid != pid


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_it_ends_with_its_parent(how: signal.Signals) -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int((await parent.stdout.readline()).split()[0])
    assert alive(child)
    parent.send_signal(how)
    await parent.wait()
    await until(lambda: not alive(child), "the child ends with its parent")


@pytest.mark.parametrize("binary", ["/no/such/server", __file__])
async def test_a_server_that_does_not_run_here_names_the_fix(binary: str) -> None:
    with pytest.raises(SettingsError, match="ASSETRY_OPENSEARCH_URL"):
        await OsmemProcess(binary).start()


async def test_a_missing_wheel_names_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "osmem_server", None)
    with pytest.raises(SettingsError, match="ASSETRY_OPENSEARCH_URL"):
        await OsmemProcess().start()


async def test_a_server_that_ends_at_once_is_unavailable_with_its_last_words(tmp_path: Path) -> None:
    script = tmp_path / "server"
    script.write_text("#!/bin/sh\necho no license >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(Unavailable, match="exited with status 3: no license"):
        await OsmemProcess(str(script)).start()


async def test_a_chatty_server_is_never_held_up(tmp_path: Path) -> None:
    script = tmp_path / "server"
    script.write_text(
        '#!/bin/sh\necho \'{"url": "http://127.0.0.1:1"}\'\nhead -c 3000000 /dev/zero\nhead -c 3000000 /dev/zero >&2\n'
    )
    script.chmod(0o755)
    process = OsmemProcess(str(script))
    await process.start()
    assert await asyncio.wait_for(process.wait_dead(), 20) == 0
    await process.close()


async def test_a_dead_engine_is_started_again_empty_and_says_so_first(engine: EmbeddedSearch) -> None:
    told: list[str | None] = []
    engine.on_reset = lambda: told.append(engine.url)
    await engine.create_index("i", {})
    first, pid = engine.url, engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: engine.restarts == 1 and engine.url is not None, "the restart")
    assert engine.url != first
    assert told == [None]
    assert not await engine.index_exists("i")


async def test_while_it_is_away_every_call_is_unavailable_at_once(engine: EmbeddedSearch) -> None:
    gate, arrived = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        arrived.set()
        await gate.wait()

    engine.on_reset = hold
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    await asyncio.wait_for(arrived.wait(), 20)
    assert engine.url is None
    with pytest.raises(Unavailable):
        await engine.ping()
    with pytest.raises(Unavailable):
        await engine.bulk("i", [])
    gate.set()
    await until(lambda: engine.url is not None, "the engine opens after its reset")
    assert (await engine.ping())["engine"] == "osmem"


async def test_a_failing_reset_hook_does_not_keep_the_engine_away(engine: EmbeddedSearch) -> None:
    def fail() -> None:
        raise RuntimeError("hook")

    engine.on_reset = fail
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    await until(lambda: engine.restarts == 1 and engine.url is not None, "the restart")
    assert await engine.ping()


def restarted(engine: EmbeddedSearch, before: int) -> bool:
    return engine.restarts > before and engine.url is not None


async def test_it_survives_dying_again_and_again(engine: EmbeddedSearch) -> None:
    for _ in range(3):
        before, pid = engine.restarts, engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(partial(restarted, engine, before), "the restart")
    assert await engine.ping()


async def test_the_beacon_names_the_running_engine(engine: EmbeddedSearch, tmp_path: Path) -> None:
    beacon = tmp_path / "engine.json"
    assert running_engine(beacon) == engine.url
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    await until(lambda: engine.restarts == 1 and engine.url is not None, "the restart")
    assert running_engine(beacon) == engine.url
    await engine.close()
    assert running_engine(beacon) is None


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"pid": "x", "url": "u"}', orjson.dumps({"pid": 2**22 + 1, "url": "u"})]
)
def test_a_beacon_of_nobody_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "engine.json").write_bytes(content)
    assert running_engine(tmp_path / "engine.json") is None
