"""Processes that are killed: ``python -m tests.faults.relay_process STORE PLACE relay|consume``.

``relay`` runs a relay on the lease. ``consume`` runs a durable consumer that writes a line to ``<place>/ledger`` for
each event: ``<id> <type>``. Both say ``ready`` and go on until they are killed.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from indexer.leadership.lease import Candidate
from service.adapters.shared.liveness import enlist, known_dead
from service.core.events.consumers import Consumer
from service.core.events.following import LogReader
from service.core.events.log import EventLog
from service.core.events.records import RecordEvent
from service.core.events.relay import Relay
from service.errors import Unavailable
from service.ports.clock import SystemClock
from service.ports.store import Store
from service.runtime.events import LeaseLeadership
from tests.contracts.adapters import STORES

ROOT = Path(__file__).parents[2]
TTL = 1.5
"""Seconds without a sign of life after which a lease is taken over."""


async def relay(store: Store, place: Path) -> None:
    clock = SystemClock()
    candidate = Candidate(enlist(clock.sid()), known_dead)
    relay = Relay(store, EventLog(store, clock), LeaseLeadership(store, clock, candidate, ttl=TTL), clock, look=0.05)
    relay.start()


async def consume(store: Store, place: Path) -> None:
    ledger = os.open(ledger_of(place), os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def handle(events: Sequence[RecordEvent]) -> None:
        for event in events:
            os.write(ledger, f"{event.id} {event.type}\n".encode())

    clock = SystemClock()
    Consumer(store, LogReader(EventLog(store, clock), poll=0.05), clock, "ledger", handle).start()


def ledger_of(place: Path) -> Path:
    """Return the file of the consumer's ledger."""
    return place / "ledger"


def spawned(store: str, place: Path, what: str) -> subprocess.Popen[str]:
    """Start a process and wait until it says that it is ready."""
    command = [sys.executable, "-m", "tests.faults.relay_process", store, str(place), what]
    with (place / f"{what}.log").open("a") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", (place / f"{what}.log").read_text()[-2000:]
    return process


async def main(name: str, place: str, what: str) -> None:
    async with AsyncExitStack() as stack:
        while True:
            try:
                store = await stack.enter_async_context(STORES[name](Path(place)))
                break
            except Unavailable:  # busy with the writers: as whoever supervises a service starts it again
                await asyncio.sleep(0.5)
        await {"relay": relay, "consume": consume}[what](store, Path(place))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
