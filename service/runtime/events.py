"""The relay, its leadership, the folding of usage and what is swept: how a process runs them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from indexer.leadership.lease import TTL, Candidate, Lease, LeaseLost
from indexer.leadership.renewal import LeaseRenewer
from service.api.kernel.event_stream import StreamSlots
from service.api.ops.metrics import METRICS, PREFIX
from service.core.events.folding import UsageFolder
from service.core.events.log import EventLog
from service.core.events.relay import LeadershipLost, Relay, RelayStatus
from service.core.events.usage import UsageStatus
from service.errors import AssetryError
from service.ports.clock import Clock
from service.ports.store import Body, Store
from service.settings import Settings
from service.tasks import cancelled

log = logging.getLogger(__name__)

LEASE = "relay"
"""The key of the relay's lease and checkpoint, a record of kind ``checkpoint``."""

SAVE_SECONDS = 1.0
"""How often the token of a relay is saved while it has nothing to tell."""

SWEEP_SECONDS = 900.0
"""How often old events and usage are dropped."""


class LeaseLeadership:
    """The relay's leadership, by a lease as indexers have one; the checkpoint is in the lease's record."""

    def __init__(self, store: Store, clock: Clock, candidate: Candidate, *, ttl: float = TTL) -> None:
        self._lease = Lease(store, clock, LEASE, candidate, ttl=ttl)
        self._renewer = LeaseRenewer(
            self._lease,
            clock,
            renew=ttl / 3,
            save=SAVE_SECONDS,
            summary=dict,
            on_lost=lambda: log.warning("another process relays events from now on"),
        )
        self._renewing = False

    @property
    def held(self) -> bool:
        """Whether it is held, as far as this process knows."""
        return self._lease.held

    async def take(self) -> Body | None:
        """Try to lead; the checkpoint if that succeeded, else None. Raises Unavailable."""
        if self._lease.held and self._renewing:
            return self._lease.body
        await self._end(release=False)
        if not await self._lease.look():
            return None
        self._renewer.start()
        self._renewing = True
        return self._lease.body

    async def save(self, checkpoint: Body) -> None:
        """Save the checkpoint. Raises LeadershipLost, Unavailable."""
        try:
            await self._renewer.write(checkpoint)
        except LeaseLost as error:
            raise LeadershipLost(str(error)) from error

    def note(self, checkpoint: Body) -> None:
        """Have the checkpoint saved soon."""
        self._renewer.note(checkpoint)

    async def leave(self) -> None:
        """Release the lease."""
        await self._end(release=True)

    async def _end(self, *, release: bool) -> None:
        if self._renewing:
            self._renewing = False
            await self._renewer.stop(release=release)


def start_relay(
    store: Store, events: EventLog, clock: Clock, candidate: Candidate, stack: AsyncExitStack, *, ttl: float = TTL
) -> Relay:
    """Run a relay, or have it stand by, until the stack is closed."""
    relay = Relay(store, events, LeaseLeadership(store, clock, candidate, ttl=ttl), clock)
    stack.push_async_callback(relay.stop)
    relay.start()
    return relay


def start_housekeeping(settings: Settings, store: Store, events: EventLog, clock: Clock, stack: AsyncExitStack) -> None:
    """Fold usage and drop what is old, until the stack is closed; several processes may do so at once."""
    folder = UsageFolder(store, clock, interval=timedelta(seconds=settings.usage_fold_seconds))

    async def sweep() -> None:
        blocks = await events.sweep(timedelta(hours=settings.events_hours))
        records = await folder.sweep(timedelta(days=settings.usage_days))
        if blocks or records:
            log.info("%s blocks of events and %s records of usage were dropped", blocks, records)

    every(min(settings.usage_fold_seconds, 60.0), "the folding of usage", folder.run, stack)
    every(SWEEP_SECONDS, "the sweep of events", sweep, stack)


def every(seconds: float, name: str, work: Callable[[], Awaitable[object]], stack: AsyncExitStack) -> None:
    """Do some work now and every so many seconds, until the stack is closed; what fails is tried again then."""

    async def run() -> None:
        while True:
            try:
                await work()
            except AssetryError as error:
                log.info("%s is put off: %s", name, error.message)
            except Exception:  # what is left undone is a nuisance, never a reason to stop
                log.exception("%s failed", name)
            await asyncio.sleep(seconds)

    async def end() -> None:
        await cancelled(task)

    task = asyncio.create_task(run(), name=name)
    stack.push_async_callback(end)


def event_metrics(relay: RelayStatus | None, usage: UsageStatus | None, streams: StreamSlots | None) -> list[Metric]:
    """Return the metrics of what a process runs; None is what it does not."""
    found: list[Metric] = []
    if streams is not None:
        found.append(_gauge("event_streams", streams.open))
    if relay is not None:
        found.append(_gauge("relay_leader", float(relay.leads)))
        found.append(_gauge("relay_lag_seconds", relay.lag_seconds))
        found.append(_counter("relay_events_total", relay.told.items()))
    if usage is not None:
        found.append(_counter("usage_events_total", usage.recorded.items()))
        found.append(_gauge("usage_events_waiting", usage.waiting))
        found.append(_counter("usage_events_dropped_total", [(None, usage.dropped)]))
    return found


def _gauge(name: str, value: float) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, METRICS[name].doc)
    family.add_metric([], value)
    return family


def _counter(name: str, values: Iterable[tuple[str | None, float]]) -> Metric:
    described = METRICS[name]
    family = CounterMetricFamily(PREFIX + name, described.doc, labels=list(described.labels))
    for label, value in values:
        family.add_metric([] if label is None else [label], value)
    return family
