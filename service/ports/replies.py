"""The replies port: the replies to requests with an Idempotency-Key, and which requests are in progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

LEASE = 30.0
"""Seconds after which a request in progress that was not renewed is presumed dead."""

KEPT = 24 * 3600.0
"""Seconds for which a reply is kept."""

MAX_REPLY_BYTES = 2**20
"""The longest body that is kept; of a longer one, only the status and headers are kept."""


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply: its status, the headers that belong to it, and its body (None if it was too long to keep).

    The body is UTF-8 text (usually JSON), so that every engine can store it unchanged.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = b""

    def shortened(self) -> StoredReply:
        """Return the reply as it is stored: without a body longer than :data:`MAX_REPLY_BYTES`."""
        too_long = self.body is not None and len(self.body) > MAX_REPLY_BYTES
        return replace(self, body=None) if too_long else self


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer a request, until its lease ends.

    ``token`` identifies this run. ``repeated`` says that an earlier run ended without a reply, so its effects may
    already exist. ``handle`` is how the adapter finds the claim again.
    """

    slot: str
    token: str
    repeated: bool = False
    handle: str = ""


@dataclass(frozen=True, slots=True)
class InProgress:
    """Another run is in progress."""


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The slot belongs to a request with a different fingerprint."""


class Replies(Protocol):
    """Replies by slot; a slot stands for one key of one user. Every method raises Unavailable.

    Leases compare the clocks of several machines. A wrong clock can end a lease early or late (by one more lease at
    most); two runs may then overlap, which is why effects are keyed too.
    """

    async def begin(
        self, slot: str, fingerprint: str, *, lease: float = LEASE
    ) -> Claim | StoredReply | InProgress | KeyReused:
        """Claim the slot for a run, or return why not; of several simultaneous callers exactly one gets the Claim.

        A run whose lease has ended, or whose process is certainly dead, is taken over. A slot becomes free once its
        reply has been kept for :data:`KEPT` seconds.
        """
        ...

    async def renew(self, claim: Claim, *, lease: float = LEASE) -> bool:
        """Extend the lease; False if the run was taken over."""
        ...

    async def keep(self, claim: Claim, reply: StoredReply) -> bool:
        """Keep the run's reply for :data:`KEPT` seconds; False, with nothing kept, if the run was taken over.

        A body longer than :data:`MAX_REPLY_BYTES` is left out.
        """
        ...

    async def release(self, claim: Claim, *, forget: bool) -> None:
        """End a run without a reply, unless it was taken over.

        ``forget`` frees the slot for any request; otherwise it stays reserved for this fingerprint, and the next run is
        a repeated one.
        """
        ...

    async def close(self) -> None:
        """Release what was opened; the leases of runs in progress end in time. Safe to call twice."""
        ...
