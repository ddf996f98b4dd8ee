"""The bodies of bulk requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from service.core.assets.selection import Selection
from service.model import AssetPatch, Line, Names, Prose, Strict

MAX_IDS = 1000
"""Assets that one request may name; by a query it may be any number."""


class BulkSelection(Selection):
    """Which assets: those that ``query`` (and ``filters``) find when asked, or up to 1,000 by ``asset_ids``."""

    asset_ids: Annotated[list[str] | None, Field(min_length=1, max_length=MAX_IDS)] = None


class ListEdit(Strict):
    """What is added to a list, and what is taken out of it; what is in both stays out."""

    add: Names = Field(default_factory=list)
    remove: Names = Field(default_factory=list)

    @model_validator(mode="after")
    def _something(self) -> ListEdit:
        if not self.add and not self.remove:
            raise ValueError("needs add, remove or both")
        return self

    def of(self, values: Sequence[str]) -> list[str]:
        """Return a list after the edit."""
        out = frozenset(self.remove)
        return [value for value in dict.fromkeys([*values, *self.add]) if value not in out]


class BulkUpdates(AssetPatch):
    """What changes in every asset: any field that a single change takes, edits of lists, and texts around texts."""

    tags: Names | ListEdit | None = None  # type: ignore[assignment]
    collections: Names | ListEdit | None = None  # type: ignore[assignment]
    title_prefix: (
        Annotated[Prose, Field(max_length=500, description="Put before titles that do not begin with it.")] | None
    ) = None
    description_suffix: (
        Annotated[Prose, Field(description="Put behind descriptions that do not end with it.")] | None
    ) = None
    is_deleted: None = Field(default=None, exclude=True)  # there is a bulk delete

    @model_validator(mode="after")
    def _something(self) -> BulkUpdates:
        if not self.model_fields_set:
            raise ValueError("needs at least one field")
        for text, around in (("title", "title_prefix"), ("description", "description_suffix")):
            if {text, around} <= self.model_fields_set:
                raise ValueError(f"takes {text} or {around}, not both")
        return self


class UpdateOptions(Strict):
    """How a bulk update is done."""

    create_backup: Annotated[bool, Field(description="Keep what was there before, so that it can be undone.")] = True
    validate_changes: Annotated[
        Literal[True], Field(description="Every change is checked; this cannot be turned off.")
    ] = True
    notify_on_completion: Annotated[bool, Field(description="Kept with the operation: there are no webhooks yet.")] = (
        True
    )


class BulkUpdate(BulkSelection):
    """A change to the metadata of many assets."""

    updates: BulkUpdates
    options: UpdateOptions = Field(default_factory=UpdateOptions)
    dry_run: Annotated[bool, Field(description="Only say what would change.")] = False


class BulkCollections(BulkSelection):
    """The collections that many assets come into, and leave."""

    collections: ListEdit
    dry_run: Annotated[bool, Field(description="Only say what would change.")] = False


class BulkFavorites(BulkSelection):
    """Whether many assets are favourites of the caller; with ``collection`` they are in that collection, too."""

    action: Literal["add", "remove"]
    collection: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    dry_run: Annotated[bool, Field(description="Only say what would change.")] = False


class DeleteOptions(Strict):
    """How a bulk delete is done."""

    permanent_delete: Annotated[bool, Field(description="Delete for good, rather than to the trash.")] = False
    create_backup: Annotated[bool, Field(description="Keep a backup of what is deleted for good.")] = True
    notify_team: Annotated[bool, Field(description="Kept with the operation: there are no webhooks yet.")] = True


class BulkDelete(BulkSelection):
    """A delete of many assets."""

    confirmation_required: Annotated[
        bool,
        Field(description="Delete nothing yet, and answer with a `confirmation_token` to be sent with the same body."),
    ] = False
    confirmation_token: Annotated[str | None, Field(max_length=500)] = None
    reason: Annotated[Line | None, Field(description="Kept with the operation.")] = None
    options: DeleteOptions = Field(default_factory=DeleteOptions)
    dry_run: Annotated[bool, Field(description="Only say what would be deleted.")] = False


BulkRequest: TypeAlias = BulkUpdate | BulkCollections | BulkFavorites | BulkDelete
