"""The replies port on Redis: one hash per slot, changed by scripts so that each step is atomic."""

from __future__ import annotations

import secrets
from typing import Any

import orjson
from redis.asyncio import Redis

from service.adapters.redis.client import translated
from service.adapters.shared.store_replies import ActiveRequests
from service.ports.replies import KEPT, LEASE, Claim, InProgress, KeyReused, StoredReply

_KEPT_MS = round(KEPT * 1000)

_BEGIN = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local found = redis.call('HMGET', KEYS[1], 'fingerprint', 'until', 'token', 'worker', 'status', 'headers', 'text')
if found[1] then
  if found[1] ~= ARGV[1] then return {'other'} end
  if found[5] then return {'kept', found[5], found[6], found[7]} end
  local left = tonumber(found[2]) - now
  local ours = found[3] == ARGV[2] or found[3] == ARGV[5]
  if left > 0 and left <= 2 * ARGV[4] and not ours then return {'busy', found[3], found[4]} end
end
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'token', ARGV[2], 'worker', ARGV[3], 'until', now + ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return {found[1] and 'again' or 'first'}
"""
# fingerprint, token, worker, lease in ms, the token of a run that is over, ms until expiry.
# The token may be there already: the client resends a script if the connection broke before the answer came.

_RENEW = """
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
local clock = redis.call('TIME')
redis.call('HSET', KEYS[1], 'until', clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[2])
return 1
"""

_KEEP = """
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[3], 'headers', ARGV[4])
if ARGV[5] then redis.call('HSET', KEYS[1], 'text', ARGV[5]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""

_RELEASE = """
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
if ARGV[2] == '1' then redis.call('DEL', KEYS[1]) else redis.call('HSET', KEYS[1], 'until', 0) end
return 1
"""


class RedisReplies:
    """Replies in Redis; :class:`service.ports.replies.Replies` states what each method promises.

    Leases use Redis's clock, and Redis expires old replies. While Redis is unavailable, every method raises
    Unavailable, because nothing may be done twice unnoticed.
    """

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._prefix = prefix
        self._runs = ActiveRequests(secrets.token_hex(8))
        self._begin, self._renew, self._keep, self._release = (
            redis.register_script(text) for text in (_BEGIN, _RENEW, _KEEP, _RELEASE)
        )

    async def close(self) -> None:
        """Let other processes take over the runs in progress here; the client is closed by its owner."""
        self._runs.close()

    async def begin(
        self, slot: str, fingerprint: str, *, lease: float = LEASE
    ) -> Claim | StoredReply | InProgress | KeyReused:
        """Claim the slot for a run, or return why not."""
        claim = Claim(slot, secrets.token_hex(16))
        self._runs.begin(claim.token)
        try:
            begun = await self._take(claim, fingerprint, lease)
        except BaseException:
            self._runs.end(claim.token)
            raise
        if not isinstance(begun, Claim):
            self._runs.end(claim.token)
        return begun

    async def _take(self, claim: Claim, fingerprint: str, lease: float) -> Claim | StoredReply | InProgress | KeyReused:
        over = ""
        while True:
            args = [fingerprint, claim.token, self._runs.worker, round(lease * 1000), over, _KEPT_MS]
            answer = await self._run(self._begin, claim.slot, args)
            match answer[0]:
                case "other":
                    return KeyReused()
                case "kept":
                    body = None if answer[3] is None else answer[3].encode()
                    return StoredReply(int(answer[1]), orjson.loads(answer[2]), body)
                case "busy" if self._runs.is_over(answer[2], answer[1]):
                    over = answer[1]
                case "busy":
                    return InProgress()
                case word:
                    return Claim(claim.slot, claim.token, repeated=word == "again")

    async def renew(self, claim: Claim, *, lease: float = LEASE) -> bool:
        """Extend the lease."""
        return bool(await self._run(self._renew, claim.slot, [claim.token, round(lease * 1000)]))

    async def keep(self, claim: Claim, reply: StoredReply) -> bool:
        """Keep the run's reply."""
        short = reply.shortened()
        args: list[Any] = [claim.token, _KEPT_MS, short.status, orjson.dumps(dict(short.headers))]
        args += [] if short.body is None else [short.body]
        try:
            return bool(await self._run(self._keep, claim.slot, args))
        finally:
            self._runs.end(claim.token)

    async def release(self, claim: Claim, *, forget: bool) -> None:
        """End a run without a reply."""
        try:
            await self._run(self._release, claim.slot, [claim.token, int(forget)])
        finally:
            self._runs.end(claim.token)

    async def _run(self, script: Any, slot: str, args: list[Any]) -> Any:
        with translated():
            return _text(await script(keys=[f"{self._prefix}:reply:{slot}"], args=args))


def _text(answer: Any) -> Any:
    """Return an answer with its bytes decoded, whether or not the client decodes them."""
    if isinstance(answer, list):
        return [_text(item) for item in answer]
    return answer.decode() if isinstance(answer, bytes) else answer
