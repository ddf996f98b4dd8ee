"""API keys: who asks, for which organization, and what they may do."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple, NotRequired, TypedDict

from service.core.access.guesses import Guesses
from service.core.shared.repository import Repository
from service.errors import InvalidInput, NotAllowed, NotAuthenticated
from service.ports.clock import Clock
from service.ports.store import Change, Condition, Record, Store
from service.times import timestamp

SCOPES: dict[str, str] = {
    "assets:read": "search and read assets and their files",
    "assets:write": "create, change and delete assets",
    "assets:import": "give `created_at`, `usage_stats` and `cost` on create",
    "admin": "everything, and what only admins see (tags with a leading `*`)",
}
"""Every scope and what it allows."""

TIERS: dict[str, int | None] = {"free": 1_000, "pro": 10_000, "enterprise": 100_000, "unlimited": None}
"""Requests an hour by tier: three of seed 000, and one for an operator's own work."""

CACHE_SECONDS = 5.0
"""How long a key that was found good is not looked up again: a revoked key works at most this long."""
_CACHE_SIZE = 10_000
_PREFIX = "ak_"


class KeyBody(TypedDict):
    """The body of a record of the kind ``key``; ``hint`` is how the key begins, ``revoked_at`` makes it worthless."""

    org_id: str
    user_id: str
    scopes: list[str]
    tier: NotRequired[str]
    hash: str
    hint: str
    created_at: str
    revoked_at: NotRequired[str]


class NewKey(NamedTuple):
    """A key that was just made: its ``secret``, which nobody sees again, and its record."""

    secret: str
    record: Record[KeyBody]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a user of an organization, with the scopes of the key that came."""

    org_id: str
    user_id: str
    scopes: frozenset[str]
    key_id: str = ""
    tier: str = "enterprise"

    @property
    def is_admin(self) -> bool:
        """Whether the key holds the scope ``admin``."""
        return "admin" in self.scopes

    @property
    def roles(self) -> frozenset[str]:
        """The roles that decide which fields a query may name."""
        return frozenset({"admin"}) if self.is_admin else frozenset()

    def allow(self, scope: str) -> None:
        """Raise NotAllowed unless the key holds ``scope``."""
        if scope not in self.scopes and not self.is_admin:
            raise NotAllowed(f"The API key lacks the scope {scope}.", scope=scope)


def parse_scopes(text: str) -> list[str]:
    """Read scopes separated by commas or spaces; ``*`` means all. Raises InvalidInput for one that does not exist."""
    given = text.replace(",", " ").split()
    if given == ["*"]:
        return list(SCOPES)
    for scope in given:
        if scope not in SCOPES:
            raise InvalidInput(
                f"There is no scope {scope!r}.", field="scopes", provided=scope, expected="some of " + ", ".join(SCOPES)
            )
    if not given:
        raise InvalidInput(
            "A key needs a scope.", field="scopes", provided=text, expected="some of " + ", ".join(SCOPES)
        )
    return list(dict.fromkeys(given))


def _hash(key: str) -> str:
    # A key has 192 bits of entropy: one plain hash is enough, and no salt is needed to look it up.
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()


class Keys:
    """Makes, checks and revokes API keys. Only their hashes are stored."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._keys = Repository[KeyBody](store, "key")
        self._clock = clock
        self._cache: OrderedDict[str, tuple[float, Principal]] = OrderedDict()
        self._guesses = Guesses(clock)

    async def create(self, org_id: str, user_id: str, scopes: list[str], tier: str = "enterprise") -> NewKey:
        """Make a key. This is the only time that the key itself is seen."""
        secret = _PREFIX + secrets.token_urlsafe(24)
        body: KeyBody = {
            "org_id": org_id,
            "user_id": user_id,
            "scopes": scopes,
            "tier": tier,
            "hash": _hash(secret),
            "hint": secret[:7] + "…",
            "created_at": timestamp(self._clock.now()),
        }
        return NewKey(secret, await self._keys.insert(f"key_{self._clock.sid()}", body))

    async def list(self, org_id: str | None = None) -> list[Record[KeyBody]]:
        """Return the keys' records, of one organization or of all."""
        where: dict[str, Condition] = {"org_id": org_id} if org_id else {}
        return [record async for record in self._keys.each(where)]

    async def revoke(self, key_id: str) -> Record[KeyBody]:
        """Make a key worthless, whosever it is: this is for operators. Raises NotFound."""
        self._cache.clear()
        return await self._keys.update_any(key_id, Change(set={"revoked_at": timestamp(self._clock.now())}))

    async def authenticate(self, key: str, address: str = "") -> Principal:
        """Return who a key speaks for. ``address`` is where it came from: too many wrong ones of it are not looked up.

        Raises NotAuthenticated, TooManyRequests.
        """
        digest = _hash(key)
        now = self._clock.monotonic()
        known = self._cache.get(digest)
        if known and known[0] > now:
            return known[1]
        if known is None:  # a key that was good a moment ago is no guess
            self._guesses.check(address)
        try:
            principal = await self._look_up(digest)
        except NotAuthenticated:
            self._guesses.note(address)
            raise
        self._cache[digest] = (now + CACHE_SECONDS, principal)
        while len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)
        return principal

    async def _look_up(self, digest: str) -> Principal:
        record = await self._keys.first({"hash": digest})
        if record is None or record.body.get("revoked_at"):
            self._cache.pop(digest, None)
            raise NotAuthenticated("Unknown or revoked API key.")
        body = record.body
        return Principal(
            body["org_id"], body["user_id"], frozenset(body["scopes"]), record.key, body.get("tier", "enterprise")
        )
