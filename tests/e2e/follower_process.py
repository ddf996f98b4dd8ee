"""A follower in a process of its own, for tests that stop, freeze and kill it.

``python -m tests.e2e.follower_process STORE URL ALIAS [blind]`` says its role, whether it has caught up, and its fence.
It ends with SIGTERM. A blind one does not know which other processes of this machine are dead.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path

from indexer.follow.follower import Follower
from indexer.leadership.lease import Candidate
from indexer.options import FollowOptions
from indexer.status.model import Role
from service.adapters.opensearch.engine import Connection, OpenSearchEngine
from service.adapters.shared.liveness import enlist, known_dead
from service.adapters.sqlite.store import SqliteStore
from service.ports.clock import SystemClock

TTL = 2.0


async def main(place: Path, url: str, alias: str, *, blind: bool) -> None:
    """Follow until the process is told to end."""
    options = replace(
        FollowOptions.embedded(alias), ttl_seconds=TTL, renew_seconds=0.3, look_seconds=0.1, plan_seconds=0.1
    )
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    name = enlist(SystemClock().sid())
    candidate = Candidate(name) if blind else Candidate(name, known_dead)
    engine = OpenSearchEngine(Connection(hosts=(url,)))
    async with SqliteStore(place, SystemClock()) as store:
        follower = Follower(store, engine, SystemClock(), options, candidate=candidate)
        follower.start()
        said = ""
        while not end.is_set():
            status = follower.status()
            saying = f"{status.role} {'ready' if status.caught_up else 'busy'} {status.fence}"
            if saying != said and status.role is not Role.NONE:
                said = saying
                print(saying, flush=True)  # noqa: T201 - what the test waits for
            await asyncio.sleep(0.02)
        await follower.stop()
        await engine.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], blind="blind" in sys.argv[4:]))
