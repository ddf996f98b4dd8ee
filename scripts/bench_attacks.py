"""What one client can do to another: attacks against a service, while an honest client measures its own times.

Each attack is repeated from several connections for some seconds. The honest client, of another organization, searches,
reads and uploads all the while. The table shows its p95 of each, and the memory of the service's processes at its peak.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.benchlib import PREFIX, Timing, fill, service  # noqa: E402
from service.runtime.base import open_base  # noqa: E402
from service.settings import load  # noqa: E402

CRAFTED_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="512" height="512"><filter id="f">'
    '<feTurbulence baseFrequency="0.9" numOctaves="100000"/></filter>'
    '<rect width="512" height="512" filter="url(#f)"/><desc>{}</desc></svg>'
)
FACETS = ("tags", "type", "module", "model", "title", "filename", "width", "height")


@dataclass
class Honest:
    """The times of the honest client, by what it did, in milliseconds; and what it was answered instead of success."""

    times: dict[str, list[float]] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)

    async def measure(self, name: str, call: Callable[[], Awaitable[int]]) -> None:
        """Time one call, which returns its status."""
        started = time.perf_counter()
        try:
            status = await call()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failures[f"{name}: {type(error).__name__}"] += 1
            return
        if status >= 400:
            self.failures[f"{name}: {status}"] += 1
        self.times.setdefault(name, []).append((time.perf_counter() - started) * 1000)


@dataclass(frozen=True)
class Target:
    """The service under attack: its address, and the keys of attacker and honest client."""

    url: str
    attacker: str
    honest: str
    record: str

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 80


Attack = Callable[[Target, aiohttp.ClientSession], Awaitable[None]]


@asynccontextmanager
async def raw(target: Target) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection below HTTP."""
    reader, writer = await asyncio.open_connection(*target.address)
    try:
        yield reader, writer
    finally:
        writer.close()


async def pour(target: Target, head: bytes, piece: bytes, pieces: int) -> None:
    """Send far more than any limit, however it is answered."""
    async with raw(target) as (reader, writer):
        writer.write(head)
        for _ in range(pieces):
            writer.write(piece)
            await writer.drain()
        await reader.read(1)


async def long_headers(target: Target, _: aiohttp.ClientSession) -> None:
    """60 MB of one header field."""
    await pour(target, b"GET / HTTP/1.1\r\nHost: x\r\na: ", b"b" * 60_000, 1000)


async def many_headers(target: Target, _: aiohttp.ClientSession) -> None:
    """60 MB of header fields."""
    await pour(target, b"GET / HTTP/1.1\r\nHost: x\r\n", b"a: b\r\n" * 10_000, 1000)


async def long_target(target: Target, _: aiohttp.ClientSession) -> None:
    """60 MB of request target."""
    await pour(target, b"GET /", b"a" * 60_000, 1000)


async def slow_heads(target: Target, _: aiohttp.ClientSession) -> None:
    """Two hundred connections that never finish their head."""
    async with asyncio.TaskGroup() as group:
        for _number in range(200):
            group.create_task(_drip(target))


async def _drip(target: Target) -> None:
    async with raw(target) as (_, writer):
        for byte in b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 100:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.2)


async def pipelined(target: Target, _: aiohttp.ClientSession) -> None:
    """Ten thousand requests in one write."""
    await pour(target, b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000, 1)


async def wrong_keys(target: Target, session: aiohttp.ClientSession) -> None:
    """A key that does not exist."""
    headers = {"Authorization": f"Bearer ak_{random.random()}"}
    async with session.get(f"{target.url}{PREFIX}/assets/search", headers=headers) as answer:
        await answer.read()


async def dear_facets(target: Target, session: aiohttp.ClientSession) -> None:
    """As many facet values as a search may ask for."""
    facets = json.dumps([{"field": FACETS[at % 8], "size": 150, "name": f"f{at}"} for at in range(32)])
    params = {"query": "*", "facets": facets, "limit": "0"}
    async with session.get(f"{target.url}{PREFIX}/assets/search/facets", params=params) as answer:
        await answer.read()


async def dear_words(target: Target, session: aiohttp.ClientSession) -> None:
    """Ten fuzzy words and eight wildcards."""
    query = " OR ".join([*(f"mountai{at}~2" for at in range(10)), *(f"{at}a*b*c*" for at in "abcdefgh")])
    params = {"query": query}
    async with session.get(f"{target.url}{PREFIX}/assets/search/advanced", params=params) as answer:
        await answer.read()


async def unknown_fields(target: Target, session: aiohttp.ClientSession) -> None:
    """A body of 90,000 unknown fields."""
    body = json.dumps({f"k{number}": 1 for number in range(85_000)})
    headers = {"Content-Type": "application/json"}
    async with session.post(f"{target.url}{PREFIX}/assets", data=body, headers=headers) as answer:
        await answer.read()


async def crafted_drawings(target: Target, session: aiohttp.ClientSession) -> None:
    """An SVG that asks for hours of work, and its thumbnail."""
    form = aiohttp.FormData()
    form.add_field("file", CRAFTED_SVG.format(random.random()), filename="a.svg", content_type="image/svg+xml")
    async with session.post(f"{target.url}{PREFIX}/assets", data=form) as answer:
        asset = await answer.json()
    if answer.status == 201:
        async with session.get(asset["urls"]["thumbnail"]) as picture:
            await picture.read()


ATTACKS: tuple[Attack, ...] = (
    long_headers,
    many_headers,
    long_target,
    slow_heads,
    pipelined,
    wrong_keys,
    dear_facets,
    dear_words,
    unknown_fields,
    crafted_drawings,
)


async def honest(target: Target, found: Honest, stop: asyncio.Event, picture: bytes) -> None:
    """Search, read and upload, one after the other, until told to stop."""
    headers = {"Authorization": f"Bearer {target.honest}"}
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:

        async def get(path: str) -> int:
            async with session.get(target.url + PREFIX + path) as answer:
                await answer.read()
                return answer.status

        async def upload() -> int:
            form = aiohttp.FormData()
            form.add_field("file", picture, filename="a.png", content_type="image/png")
            async with session.post(f"{target.url}{PREFIX}/assets", data=form) as answer:
                await answer.read()
                return answer.status

        while not stop.is_set():
            await found.measure("search", lambda: get("/assets/search?q=mountain&limit=20&suggest=false"))
            await found.measure("read", lambda: get(f"/assets/{target.record}"))
            await found.measure("upload", upload)
            await asyncio.sleep(0.02)


async def attack(target: Target, way: Attack, stop: asyncio.Event) -> None:
    """Attack again and again, whatever comes of it."""
    headers = {"Authorization": f"Bearer {target.attacker}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        while not stop.is_set():
            try:
                await way(target, session)
            except (OSError, aiohttp.ClientError, TimeoutError, ValueError, KeyError):
                await asyncio.sleep(0.01)


async def attack_for_ever(name: str, url: str, key: str, at_once: int) -> None:
    """Attack from so many clients until this process is killed."""
    way = next(way for way in ATTACKS if way.__name__ == name)
    target, never = Target(url, key, "", ""), asyncio.Event()
    await asyncio.gather(*(attack(target, way, never) for _ in range(at_once)))


async def watch_memory(data: Path, peak: list[float], stop: asyncio.Event) -> None:
    """Note the most memory that the service and its children had together, in MB."""
    pid = json.loads((data / "run" / "service.json").read_text())["pid"]
    while not stop.is_set():
        peak[0] = max(peak[0], sum(_resident(each) for each in _family(pid)) / 2**20)
        await asyncio.sleep(0.1)


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(each for child in children for each in _family(int(child)))]


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


async def measured(target: Target, data: Path, way: Attack | None, seconds: float, at_once: int) -> str:
    """Return a row of the table."""
    stop, found, peak = asyncio.Event(), Honest(), [0.0]
    tasks = [
        asyncio.create_task(honest(target, found, stop, _picture())),
        asyncio.create_task(watch_memory(data, peak, stop)),
    ]
    attackers = None
    if way is not None:  # in a process of its own, so that its work is not the honest client's
        words = (way.__name__, target.url, target.attacker, str(at_once))
        attackers = await asyncio.create_subprocess_exec(sys.executable, __file__, "--attack", *words)
    await asyncio.sleep(seconds)
    stop.set()
    if attackers is not None:
        attackers.kill()
        await attackers.wait()
    await asyncio.wait(tasks)
    for task in tasks:
        task.result()
    name = (way.__doc__ or "").strip().rstrip(".") if way else "none"
    columns = [f"{Timing(found.times[kind]).at(0.95):.0f}" if kind in found.times else "none" for kind in KINDS]
    failed = ", ".join(f"{what} × {count}" for what, count in found.failures.items()) or "none"
    return f"| {name} | {' | '.join(columns)} | {failed} | {peak[0]:.0f} |"


KINDS = ("search", "read", "upload")


def _picture() -> bytes:
    """Return a small PNG, another one each time."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64), tuple(random.randbytes(3))).save(out, "PNG")
    return out.getvalue()


async def _record(url: str, key: str) -> str:
    """Make an asset that the honest client reads; return its id."""
    headers, body = {"Authorization": f"Bearer {key}"}, {"type": "image", "title": "Mountain"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}{PREFIX}/assets", json=body, headers=headers) as answer,
    ):
        return str((await answer.json())["id"])


async def run(count: int, seconds: float, at_once: int, only: str) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        attacker = await fill(data, count)
        async with open_base(load(data=data)) as base:
            honest_key, _ = await base.keys.create("honest", "kim", ["assets:read", "assets:write"], "unlimited")
        async with service(data) as (url, _):
            target = Target(url, attacker, honest_key, await _record(url, honest_key))
            print(f"\n{count:,} records, {at_once} attackers for {seconds:g} s each; the honest client's p95 in ms\n")
            print("| attack | search | read | upload | failures of the honest client | memory, MB |")
            print("|---|---|---|---|---|---|")
            print(await measured(target, data, None, seconds, at_once))
            for way in ATTACKS:
                if only in way.__name__:
                    print(await measured(target, data, way, seconds, at_once), flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="scripts/bench attacks", description=__doc__)
    parser.add_argument("--records", type=int, default=10_000, help="records of the attacker's organization")
    parser.add_argument("--seconds", type=float, default=10, help="time of each attack")
    parser.add_argument("--at-once", type=int, default=4, help="attackers at once")
    parser.add_argument("--only", default="", help="only attacks with this in their name")
    parser.add_argument("--attack", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.attack:
        name, url, key, at_once = chosen.attack
        asyncio.run(attack_for_ever(name, url, key, int(at_once)))
        return
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    asyncio.run(run(chosen.records, chosen.seconds, chosen.at_once, chosen.only))


if __name__ == "__main__":
    main()
