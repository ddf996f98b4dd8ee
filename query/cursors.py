"""Cursors: the end of a page, as a signed text that only this service can issue.

A cursor holds a point in time of the index (a PIT), the sort values of the last hit, what was searched for
(`fingerprint`) and when (`now`). Pages of one walk therefore neither overlap nor skip anything while writes continue,
and `now-7d` means the same on all of them. Facets, limit and highlights may change between pages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mappings.index import RESULT_WINDOW
from query.errors import QueryError, QueryProblem
from query.types import Caller, CompiledSearch, Cursor, SearchRequest

START = "*"
KEEP_ALIVE = "2m"  # how long the engine keeps a point in time open between two pages
MAX_LENGTH = 16_384
_VERSION = 1
_SIGNATURE = 16  # bytes


def encode(cursor: Cursor, key: bytes) -> str:
    """Return a cursor as a URL-safe text signed with `key`."""
    after = None if cursor.after is None else list(cursor.after)
    parts = [_VERSION, cursor.pit, after, cursor.fingerprint, cursor.now, cursor.seen]
    payload = json.dumps(parts, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_sign(payload, key) + payload).decode().rstrip("=")


def decode(text: str, key: bytes) -> Cursor:
    """Return the cursor encoded in a text; `*` starts a walk.

    Raises QueryError(field="cursor") for texts that were not produced by `encode` with this key. `compile_search`
    checks whether the cursor belongs to the current search.
    """
    if text == START:
        return Cursor()
    if len(text) > MAX_LENGTH or not text.isascii():
        raise _error()
    try:
        signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _error() from error
    signature, payload = signed[:_SIGNATURE], signed[_SIGNATURE:]
    if not hmac.compare_digest(signature, _sign(payload, key)):
        raise _error()
    version, *parts = json.loads(payload)  # safe to parse: the signature is ours
    if version != _VERSION:
        raise _error()
    pit, after, mark, now, seen = parts
    return Cursor(pit, None if after is None else tuple(after), mark, now, seen)


def fingerprint(request: SearchRequest, caller: Caller) -> str:
    """Return a hash of what a cursor is bound to: the text, filters, sort, organization and user."""
    sort = request.sort if isinstance(request.sort, str) else [[key.field, key.order] for key in request.sort]
    asked = [
        request.text,
        request.filters,
        sort,
        request.lenient,
        request.zone,
        list(request.score_boosts),
        caller.org_id,
        caller.user_id,
    ]
    text = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def check_cursor(request: SearchRequest, caller: Caller) -> None:
    """Raise QueryError if the cursor of a request belongs to another search or is combined with an offset."""
    cursor = request.cursor
    if cursor is None:
        return
    if request.offset:
        raise _error("A cursor cannot be combined with offset. Remove offset.", "unsupported")
    if request.limit < 1:
        raise _error("With a cursor, limit must be 1 or more.", "limit")
    if cursor.after is not None and cursor.fingerprint != fingerprint(request, caller):
        raise _error("The cursor belongs to another search. Start again with cursor=*.")


def next_cursor(compiled: CompiledSearch, answer: Mapping[str, Any]) -> Cursor | None:
    """Return the cursor for the page after the one the engine returned; None at the end of the results."""
    cursor, hits = compiled.cursor, answer["hits"]["hits"]
    if cursor is None or len(hits) < compiled.body["size"]:
        return None
    after = tuple(hits[-1]["sort"])
    if after == cursor.after:  # no progress is possible: see `page_body`
        return None
    pit = answer.get("pit_id", cursor.pit)
    return replace(cursor, pit=pit, after=after, seen=cursor.seen + len(hits))


def page_body(cursor: Cursor, limit: int, *, scored: bool) -> dict[str, Any]:
    """Return the part of a body that selects the next hits; `scored` says whether one of the sort keys is the score.

    The embedded engine keeps scores at a higher precision than it returns, so `search_after` on a score would repeat
    the last hit of the previous page. As long as possible, pages by score use an offset within the point in time.
    """
    page: dict[str, Any] = {"size": limit}
    if cursor.pit is not None:
        page["pit"] = {"id": cursor.pit, "keep_alive": KEEP_ALIVE}
    if cursor.after is not None and scored and cursor.seen + limit <= RESULT_WINDOW:
        page["from"] = cursor.seen
    elif cursor.after is not None:
        page["search_after"] = list(cursor.after)
    return page


def _sign(payload: bytes, key: bytes) -> bytes:
    return hmac.digest(key, payload, "sha256")[:_SIGNATURE]


def _error(message: str = "The cursor is invalid. Start again with cursor=*.", reason: str = "cursor") -> QueryError:
    return QueryError(QueryProblem(reason, message, suggestion=START), field="cursor")
