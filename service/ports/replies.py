"""The replies port: what was answered to requests with an Idempotency-Key, and which of them are under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

LEASE = 30.0
"""Seconds that a request under way is believed to go on without a sign of life."""

KEPT = 24 * 3600.0
"""Seconds that a reply is kept."""

MAX_REPLY_BYTES = 2**20
"""The longest body that is kept; of a longer one only status and headers are."""


@dataclass(frozen=True, slots=True)
class StoredReply:
    """An answer: its status, the headers that belong to it, and its body; None for a body that was too long to keep.

    The body is text in UTF-8 (JSON, as a rule), so that every engine can hold it as it is.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = b""

    def shortened(self) -> StoredReply:
        """Return the answer as it is kept: without a body over :data:`MAX_REPLY_BYTES`."""
        too_long = self.body is not None and len(self.body) > MAX_REPLY_BYTES
        return replace(self, body=None) if too_long else self


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer a request, until its lease ends.

    ``token`` tells this run from every other. ``repeated`` says that an earlier run ended without a reply: what it was
    to do may be done already. ``handle`` is where the adapter finds it again.
    """

    slot: str
    token: str
    repeated: bool = False
    handle: str = ""


@dataclass(frozen=True, slots=True)
class InProgress:
    """Another run is under way."""


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The slot belongs to a request with another fingerprint."""


class Replies(Protocol):
    """Replies by slot; a slot stands for a key of one user. Every method raises Unavailable.

    Leases compare clocks of several machines. A clock that is wrong can end a lease early or late (by one more lease at
    most); then two runs may overlap, which is why effects are keyed too.
    """

    async def begin(
        self, slot: str, fingerprint: str, *, lease: float = LEASE
    ) -> Claim | StoredReply | InProgress | KeyReused:
        """Take the slot for a run, or say why not; of callers at the same time one gets the Mark.

        A run whose lease is over, or whose process certainly is, is taken over. A slot is free again once its reply was
        kept for :data:`KEPT` seconds.
        """
        ...

    async def renew(self, mark: Claim, *, lease: float = LEASE) -> bool:
        """Give a sign of life; False when the run was taken over."""
        ...

    async def keep(self, mark: Claim, reply: StoredReply) -> bool:
        """Keep the run's reply for :data:`KEPT` seconds; False when the run was taken over, and nothing is kept.

        A body over :data:`MAX_REPLY_BYTES` is left out.
        """
        ...

    async def release(self, mark: Claim, *, forget: bool) -> None:
        """End a run without a reply, unless it was taken over.

        ``forget`` frees the slot for any request; else it stays with this fingerprint, and the next run is a repeated
        one.
        """
        ...

    async def close(self) -> None:
        """Let go of what was opened; runs under way lose their leases in time. Safe to call twice."""
        ...
