"""Bulk work for callers: start it, say beforehand what it would do, and have a delete confirmed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from service.core.access.keys import Principal
from service.core.assets.patching import checked_patch
from service.core.assets.records import split_tags
from service.core.assets.selection import Selected, Selecting
from service.core.bulk.requests import (
    BulkCollections,
    BulkDelete,
    BulkFavorites,
    BulkRequest,
    BulkUpdate,
    ListEdit,
)
from service.core.bulk.rules import Rule, answer_of, rule_of
from service.core.bulk.worker import BULK_COLLECTIONS, BULK_DELETE, BULK_FAVORITES, BULK_UPDATE
from service.core.operations.changes import GONE, UNKNOWN, Fail, Skip
from service.core.operations.items import Status
from service.core.operations.operations import Operations
from service.core.operations.registry import OperationType, Outcome
from service.core.shared.idempotency import Attempt
from service.errors import InvalidInput
from service.model import ASSET_FIELDS
from service.ports.clock import Clock
from service.ports.store import Change, Record, Store

S = TypeVar("S", bound=Selected)

CONFIRM_SECONDS = 900
"""How long a confirmation is good."""

SHOWN = 100
"""Items that a dry run looks at and shows."""


@dataclass(frozen=True, slots=True)
class PreviewItem:
    """What would become of an asset: the changed fields as they are and as they would be."""

    key: str
    status: Status
    reason: str | None = None
    message: str | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a request would do: ``total`` assets are meant, and of the first :data:`SHOWN` what would become of each."""

    total: int
    items: list[PreviewItem]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What is to be sent back for a delete to begin: the token, how many assets it is about, until when it is good."""

    token: str
    total: int
    expires_at: datetime


class Bulk:
    """The use cases of bulk work, for callers. ``keys`` sign confirmations, the first of them new ones.

    Every call raises InvalidInput, QueryError, NotAllowed, Unavailable.
    """

    def __init__(
        self, store: Store, operations: Operations, selecting: Selecting, clock: Clock, keys: Sequence[bytes]
    ) -> None:
        self._store = store
        self._operations = operations
        self._selecting = selecting
        self._clock = clock
        self._keys = keys

    async def update(self, who: Principal, request: BulkUpdate, attempt: Attempt | None = None) -> Record:
        """Change the metadata of assets."""
        updates = request.updates
        checked_patch(updates)
        tags = updates.tags
        split_tags(tags.add + tags.remove if isinstance(tags, ListEdit) else tags or [], who)
        return await self._start(
            who,
            BULK_UPDATE,
            request,
            attempt,
            updates=updates.model_dump(mode="json", exclude_unset=True),
            keep=request.options.create_backup,
            notify=request.options.notify_on_completion,
        )

    async def collect(self, who: Principal, request: BulkCollections, attempt: Attempt | None = None) -> Record:
        """Put assets into collections, and take them out."""
        edit = request.collections
        return await self._start(who, BULK_COLLECTIONS, request, attempt, add=edit.add, remove=edit.remove)

    async def favor(self, who: Principal, request: BulkFavorites, attempt: Attempt | None = None) -> Record:
        """Make assets favourites of the caller, or no longer."""
        wanted = request.action == "add"
        return await self._start(
            who, BULK_FAVORITES, request, attempt, is_favorite=wanted, collection=request.collection
        )

    async def delete(
        self, who: Principal, request: BulkDelete, attempt: Attempt | None = None
    ) -> Record | Confirmation:
        """Delete assets; where a confirmation is required, say first how many, and what to send back."""
        who.allow(str(BULK_DELETE.permission))
        everything = request.asset_ids is None and not (request.query or "").strip() and not request.filters
        if request.confirmation_token is not None or request.confirmation_required or everything:
            total = await self._selecting.count(who, request)
            if request.confirmation_token is None:
                return self._confirmation(who, request, total)
            self._check(who, request, total)
        options = request.options
        return await self._start(
            who,
            BULK_DELETE,
            request,
            attempt,
            permanent=options.permanent_delete,
            backup=options.create_backup,
            reason=request.reason,
            notify=options.notify_team,
        )

    async def preview(self, who: Principal, request: BulkRequest) -> Preview:
        """Say what a request would do, and do nothing."""
        who.allow("assets:write")
        rule = rule_of(request)
        ids = request.ids
        if ids is None:
            total = await self._selecting.count(who, request)
            ids = await self._selecting.first(who, request, SHOWN) if total else []
        else:
            total = len(ids)
        records = await self._store.get_many("asset", ids[:SHOWN], tombstones=True)
        now = self._clock.now()
        return Preview(total, [_previewed(key, records.get(key), rule, who, now) for key in ids[:SHOWN]])

    async def _start(
        self,
        who: Principal,
        type_: OperationType[S, Outcome],
        request: BulkRequest,
        attempt: Attempt | None,
        **fields: Any,
    ) -> Record:
        parameters = await self._selecting.selected(who, request, type_.parameters, **fields)
        return await self._operations.start(who, type_, parameters, attempt)

    def _confirmation(self, who: Principal, request: BulkDelete, total: int) -> Confirmation:
        expires = self._clock.now() + timedelta(seconds=CONFIRM_SECONDS)
        until = int(expires.timestamp())
        return Confirmation(f"{until}.{total}.{self._mac(self._keys[0], who, request, until, total)}", total, expires)

    def _check(self, who: Principal, request: BulkDelete, total: int) -> None:
        """Raise InvalidInput unless the token is of this request, and of as many assets as it means now."""
        until, _, rest = str(request.confirmation_token).partition(".")
        count, _, mac = rest.partition(".")
        is_number = until.isdecimal() and count.isdecimal()
        macs = [self._mac(key, who, request, int(until), int(count)) for key in self._keys] if is_number else []
        is_ours = any(hmac.compare_digest(mac.encode(), each.encode()) for each in macs)
        if not is_ours or int(until) < self._clock.now().timestamp():
            message = "The confirmation token is not of this request, or it has expired."
        elif int(count) != total:
            message = f"The request meant {count} assets when it was asked for, and means {total} now."
        else:
            return
        raise InvalidInput(
            message, field="confirmation_token", expected="the one of an answer to the same body without it"
        )

    def _mac(self, key: bytes, who: Principal, request: BulkDelete, until: int, total: int) -> str:
        meant = request.model_dump(mode="json", exclude={"confirmation_token", "confirmation_required"})
        text = json.dumps([who.org_id, who.user_id, until, total, meant], sort_keys=True)
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]


def _previewed(key: str, record: Record | None, rule: Rule, who: Principal, now: datetime) -> PreviewItem:
    if record is None or record.org_id != who.org_id:
        return PreviewItem(key, "failed", UNKNOWN.reason, UNKNOWN.message)
    answer = GONE if record.tombstone else answer_of(rule, record, who, now)
    if isinstance(answer, Skip | Fail):
        return PreviewItem(key, "skipped" if isinstance(answer, Skip) else "failed", answer.reason, answer.message)
    assert isinstance(answer, Change)
    after = {name: value for name, value in answer.set.items() if name in _SHOWN_FIELDS}
    unset = [name for name in answer.unset if name in _SHOWN_FIELDS]
    before = {name: record.body.get(name) for name in (*after, *unset)}
    return PreviewItem(key, "succeeded", before=before, after={**after, **dict.fromkeys(unset)})


_SHOWN_FIELDS = frozenset({*ASSET_FIELDS, "deleted_at", "slug"}) - {"usage_stats"}
