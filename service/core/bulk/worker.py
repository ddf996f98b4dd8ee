"""The operations of bulk work, and their handlers."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from service.core.assets.assets import Assets
from service.core.assets.patching import trashed
from service.core.assets.selection import Selected, SelectedAssets
from service.core.bulk.requests import BulkUpdates, ListEdit
from service.core.bulk.rules import Rule, answer_of, collecting, favoring, updating
from service.core.operations.changes import Answer, Remove
from service.core.operations.context import OperationContext
from service.core.operations.registry import OperationType, Outcome
from service.model import AssetBody
from service.ports.clock import Clock
from service.ports.store import Record

CONCURRENCY = 8
"""Records that one operation changes at once."""


S = TypeVar("S", bound=Selected)


class UpdateParameters(Selected):
    """The parameters of a bulk update: ``updates`` as :class:`BulkUpdates` reads them."""

    updates: dict[str, Any]
    keep: bool = True
    notify: bool = True


class CollectionsParameters(Selected):
    """The parameters of a change of collections."""

    add: list[str]
    remove: list[str]


class FavoritesParameters(Selected):
    """The parameters of a change of favourites."""

    is_favorite: bool
    collection: str | None = None


class DeleteParameters(Selected):
    """The parameters of a bulk delete."""

    permanent: bool
    backup: bool
    reason: str | None = None
    notify: bool = True


BULK_UPDATE = OperationType(
    "bulk_update", UpdateParameters, Outcome, concurrency=2, changes_records=True, permission="assets:write"
)
BULK_COLLECTIONS = OperationType(
    "bulk_collections", CollectionsParameters, Outcome, concurrency=2, changes_records=True, permission="assets:write"
)
BULK_FAVORITES = OperationType(
    "bulk_favorites", FavoritesParameters, Outcome, concurrency=2, changes_records=True, permission="assets:write"
)
BULK_DELETE = OperationType(
    "bulk_delete", DeleteParameters, Outcome, concurrency=2, changes_records=True, permission="assets:write"
)


class BulkWorker:
    """Runs bulk work."""

    def __init__(self, assets: SelectedAssets, deleting: Assets, clock: Clock) -> None:
        self._assets = assets
        self._deleting = deleting
        self._clock = clock

    async def update(self, context: OperationContext[UpdateParameters]) -> Outcome:
        """Change the metadata of the operation's assets."""
        parameters = context.parameters
        rule = updating(BulkUpdates.model_validate(parameters.updates))
        return await self._run(context, rule, keeps_values=parameters.keep)

    async def collect(self, context: OperationContext[CollectionsParameters]) -> Outcome:
        """Put the operation's assets into collections, and take them out."""
        return await self._run(
            context, collecting(ListEdit(add=context.parameters.add, remove=context.parameters.remove))
        )

    async def favor(self, context: OperationContext[FavoritesParameters]) -> Outcome:
        """Make the operation's assets favourites of the one who started it, or no longer."""
        parameters = context.parameters
        return await self._run(context, favoring(parameters.collection, wanted=parameters.is_favorite))

    async def delete(self, context: OperationContext[DeleteParameters]) -> Outcome:
        """Delete the operation's assets."""
        parameters = context.parameters
        if not parameters.permanent:
            return await self._run(context, lambda body, who, now: trashed(body, now))
        who = context.started_by

        async def work(record: Record) -> Answer:
            asset = cast("Record[AssetBody]", record)
            backup = f"backup_{context.operation_id}_{asset.body['number']}" if parameters.backup else None
            return Remove(lambda: self._deleting.prepare_removal(who, asset, backup))

        return await self._assets.change(context, work, concurrency=CONCURRENCY)

    async def _run(self, context: OperationContext[S], rule: Rule, *, keeps_values: bool = True) -> Outcome:
        who = context.started_by

        async def work(record: Record) -> Answer:
            return answer_of(rule, record, who, self._clock.now())

        return await self._assets.change(context, work, concurrency=CONCURRENCY, keeps_values=keeps_values)
