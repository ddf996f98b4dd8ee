"""What the native API answers: a type for each object, from which OpenAPI takes its schemas.

A member that is ``NotRequired`` may be absent; whatever may be null says so.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from service.core.events.records import EVENT_TYPES, RESYNC
from service.core.operations.operations import OPERATION_STATUSES
from service.model import ASSET_TYPES, STATUSES, Cost, CustomValue, Focus, Gps, Metadata, Person, UsageStats

OPERATION_ID = r"^[a-z][a-z0-9_]*_[A-Za-z0-9]+$"
"""Ids of operations: the type, then letters and digits."""

Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="UTC.")]
AssetId = Annotated[str, Field(pattern=r"^asset_[1-9][0-9]{0,15}$")]
SearchId = Annotated[str, Field(pattern=r"^search_[A-Za-z0-9]+$")]
OperationId = Annotated[str, Field(pattern=OPERATION_ID)]
Link = Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
Rev = Annotated[int, Field(ge=1, description="Rises by one with every write; `ETag` has it, for `If-Match`.")]
Total = Annotated[int, Field(ge=0, description="How many there are in all.")]
NextCursor = Annotated[str, Field(description="For `cursor` of the next page; absent on the last one.")]
Counts = Annotated[dict[str, dict[str, int]], Field(description="By field and value: how many assets have it.")]

_SEED_ASSET: JsonDict = {
    "id": "asset_123456",
    "type": "image",
    "module": "image_studio",
    "submodule": "create_studio",
    "filename": "ai_generated_image_123456.jpg",
    "title": "Stunning mountain landscape",
    "description": "A beautiful mountain landscape generated with Stable Diffusion",
    "tags": ["mountain", "landscape", "nature", "outdoor"],
    "metadata": {
        "width": 1024,
        "height": 1024,
        "format": "jpg",
        "file_size": 245760,
        "model": "stable-diffusion-xl",
        "prompt": "majestic mountain landscape with lake and forest",
        "negative_prompt": "blurry, low quality",
        "seed": 123456789,
        "steps": 20,
        "guidance_scale": 7.5,
    },
    "urls": {
        "original": "https://cdn.alwrity.com/assets/asset_123456.jpg",
        "thumbnail": "https://cdn.alwrity.com/assets/thumbs/asset_123456.jpg",
        "preview": "https://cdn.alwrity.com/assets/preview/asset_123456.jpg",
    },
    "status": "completed",
    "created_at": "2024-01-15T10:30:00Z",
    "updated_at": "2024-01-15T10:30:00Z",
    "user_id": "user_789",
    "cost": {"credits_used": 5, "currency": "USD", "amount": 0.05},
    "usage_stats": {"downloads": 12, "views": 45, "shares": 3, "favorites": 8},
    "collections": ["favorites", "landscapes"],
    "is_favorite": True,
    "is_deleted": False,
    "deleted_at": None,
    "captured_at": None,
    "expires_at": None,
    "alt_text": None,
    "credit": None,
    "creator": [],
    "source_info": None,
    "license": None,
    "rights_code": None,
    "rating": None,
    "people": [],
    "taxonomy": [],
    "gps": None,
    "colours": [],
    "focus": None,
    "external_url": None,
    "mime_type": "image/jpeg",
    "sha256": None,
    "guid": "0b0f7a5e-4f4c-5c6e-8b1d-3f6b6e7f9a01",
    "slug": "stunning-mountain-landscape",
    "is_public": False,
    "custom": {},
    "rev": 1,
}
"""The asset of seed 000, with what Assetry knows besides."""


class Urls(TypedDict):
    """Signed links to an asset's files, good for a day or so without a key; null for what it does not have."""

    original: Link | None
    thumbnail: Link | None
    preview: Link | None


@with_config(ConfigDict(json_schema_extra={"examples": [_SEED_ASSET]}))
class Asset(TypedDict):
    """An asset. The views fill in these members, in this order."""

    id: AssetId
    type: Literal[ASSET_TYPES]  # type: ignore[valid-type]
    module: str | None
    submodule: str | None
    filename: str | None
    title: str
    description: str | None
    tags: Annotated[list[str], Field(description="Those that begin with `*` are seen by admins only.")]
    metadata: NotRequired[Annotated[Metadata, Field(description="Absent with `include_metadata=false`.")]]
    urls: NotRequired[Annotated[Urls, Field(description="Absent with `include_urls=false`.")]]
    status: Literal[STATUSES]  # type: ignore[valid-type]
    created_at: Timestamp
    updated_at: Timestamp
    user_id: str
    cost: Cost
    usage_stats: NotRequired[Annotated[UsageStats, Field(description="Absent with `include_stats=false`.")]]
    collections: list[str]
    is_favorite: Annotated[bool, Field(description="Of the user who asks.")]
    is_deleted: Annotated[bool, Field(description="Whether it is in the trash.")]
    deleted_at: Timestamp | None
    captured_at: Timestamp | None
    expires_at: Timestamp | None
    alt_text: str | None
    credit: str | None
    creator: list[str]
    source_info: str | None
    license: str | None
    rights_code: str | None
    rating: Annotated[int, Field(ge=0, le=5)] | None
    people: list[Person]
    taxonomy: Annotated[list[str], Field(description="Keywords of a hierarchy, as the file has them: paths with `/`.")]
    gps: Gps | None
    colours: list[str]
    focus: Focus | None
    external_url: str | None
    mime_type: str | None
    sha256: str | None
    guid: str
    slug: str
    is_public: bool
    custom: dict[str, CustomValue]
    rev: Rev


class FoundAsset(Asset):
    """An asset that a search found."""

    highlights: NotRequired[
        Annotated[
            dict[str, list[str]],
            Field(description="With `highlight`: by field, where words were found, in `<em>`, safe as HTML."),
        ]
    ]


class DeletedAsset(TypedDict):
    """What a delete did."""

    id: AssetId
    is_deleted: Literal[True]
    permanent: bool
    backup_id: Annotated[str | None, Field(description="The backup that was made, for `assetry restore`.")]


class Problem(TypedDict):
    """A problem of a query text: offset and length are in characters of the text as sent."""

    reason: Annotated[str, Field(description="One of the reasons in docs/ref-query-syntax.md.")]
    message: str
    offset: Annotated[int, Field(ge=0)]
    length: Annotated[int, Field(ge=0)]
    suggestion: str | None


class LeftOut(TypedDict):
    """What a facet does not show."""

    values: Annotated[int | None, Field(description="Further values; null where they were not counted.")]
    records: Annotated[int, Field(description="Assets counted under them, once for each of these values.")]


class FacetValue(TypedDict):
    """A value of a facet."""

    value: Annotated[str, Field(description="The value; it can be sent back as a filter.")]
    count: int


class FacetList(TypedDict):
    """A facet as a list, in its order."""

    name: Annotated[str, Field(description="The facet as it was asked for.")]
    field: str
    values: list[FacetValue]
    left_out: LeftOut


class SearchResults(TypedDict):
    """A page of what a search found."""

    results: list[FoundAsset]
    facets: NotRequired[Counts | list[FacetList]]
    facets_left_out: NotRequired[
        Annotated[dict[str, LeftOut], Field(description="By facet, what it does not show; absent where it shows all.")]
    ]
    total_count: Total
    limit: int
    offset: NotRequired[Annotated[int, Field(description="Absent in a search by `cursor`.")]]
    warnings: NotRequired[Annotated[list[Problem], Field(description="What was read otherwise than it is written.")]]
    next_cursor: NotRequired[NextCursor]
    suggestion: NotRequired[Annotated[str, Field(description="Another spelling of the text, which finds more.")]]
    index_caught_up: NotRequired[
        Annotated[bool, Field(description="With `wait_for`: whether the search saw that write.")]
    ]


class SuggestedName(TypedDict):
    """The name of a field."""

    name: str
    type: Annotated[str, Field(description="The type of its values; `flag` for one without values.")]
    description: str


class SuggestedValue(TypedDict):
    """A value of a field."""

    value: str
    text: Annotated[str, Field(description="The value as it is written in a query.")]
    count: Annotated[int | None, Field(description="How many assets have it; null where nobody counts.")]


class Suggestions(TypedDict):
    """What can be typed next, and which part of the text one of the suggestions replaces."""

    kind: Literal["field", "value"]
    field: NotRequired[Annotated[str, Field(description="Whose values they are.")]]
    prefix: str
    offset: Annotated[int, Field(ge=0)]
    length: Annotated[int, Field(ge=0)]
    suggestions: list[SuggestedName | SuggestedValue]


class Explanation(TypedDict):
    """What a query text means."""

    normalized: Annotated[str, Field(description="The text written out in full: it is read the same way.")]
    clauses: Annotated[dict[str, Any], Field(description="The tree of its clauses, with their places in the text.")]
    dsl: Annotated[dict[str, Any], Field(description="The engine's query.")]
    warnings: list[Problem]


class SavedSearch(TypedDict):
    """A saved search."""

    id: SearchId
    name: str
    query: str
    filters: dict[str, Any]
    facets: list[Any]
    sort: str | None
    description: str | None
    user_id: str
    created_at: Timestamp
    updated_at: Timestamp
    rev: Rev


class SavedSearches(TypedDict):
    """A page of saved searches."""

    searches: list[SavedSearch]
    total_count: Total
    limit: int
    next_cursor: NotRequired[NextCursor]


class DeletedSearch(TypedDict):
    """A saved search that is gone."""

    id: SearchId
    is_deleted: Literal[True]


_SEED_OPERATION: JsonDict = {
    "operation_id": "reprocess_Ab3dEf6hIj9k",
    "type": "reprocess",
    "status": "completed",
    "progress": {"completed": 25, "total": 25, "percentage": 100, "succeeded": 20, "skipped": 4, "failed": 1},
    "result": {"total": 25, "succeeded": 20, "skipped": 4, "failed": 1},
    "created_at": "2024-01-15T10:30:00Z",
    "completed_at": "2024-01-15T10:32:00Z",
    "started_at": "2024-01-15T10:30:01Z",
    "expires_at": "2024-01-22T10:32:00Z",
    "error": None,
    "user_id": "user_789",
}
"""The operation of seed 000's shape, with what Assetry knows besides."""


class OperationProgress(TypedDict):
    """How far an operation is."""

    completed: Annotated[int, Field(ge=0, description="Items done, whatever became of them.")]
    total: Annotated[int, Field(ge=0, description="Items in all, as far as it is known.")]
    percentage: Annotated[int, Field(ge=0, le=100)]
    succeeded: Annotated[int, Field(ge=0)]
    skipped: Annotated[int, Field(ge=0, description="Items with which nothing was to be done.")]
    failed: Annotated[int, Field(ge=0)]


class OperationError(TypedDict):
    """Why the last run of an operation failed."""

    type: str
    message: str


@with_config(ConfigDict(json_schema_extra={"examples": [_SEED_OPERATION]}))
class Operation(TypedDict):
    """Long work: how far it is, and when it is completed, its result."""

    operation_id: OperationId
    type: str
    status: Literal[OPERATION_STATUSES]  # type: ignore[valid-type]
    progress: OperationProgress
    result: Annotated[dict[str, Any] | None, Field(description="Null until it is completed; its shape is the type's.")]
    created_at: Timestamp
    completed_at: Annotated[Timestamp | None, Field(description="When it was completed, failed or was cancelled.")]
    started_at: Annotated[Timestamp | None, Field(description="When its last run began.")]
    expires_at: Annotated[
        Timestamp | None, Field(description="When it is removed with its result and items; null before its end.")
    ]
    error: Annotated[OperationError | None, Field(description="It is tried again while the status is `queued`.")]
    user_id: str


class Operations(TypedDict):
    """A page of operations."""

    operations: list[Operation]
    total_count: Total
    limit: int
    next_cursor: NotRequired[NextCursor]


class OperationItem(TypedDict):
    """What became of an item."""

    id: Annotated[str, Field(description="Id of the asset.")]
    status: Literal["succeeded", "skipped", "failed"]
    reason: Annotated[str | None, Field(description="A word for programs; null for what succeeded whole.")]
    message: Annotated[str | None, Field(description="A sentence for people; null for what succeeded whole.")]


class OperationItems(TypedDict):
    """A page of items; it may be shorter than `limit` before the last one."""

    items: list[OperationItem]
    limit: int
    next_cursor: NotRequired[NextCursor]


class ReprocessCount(TypedDict):
    """What a dry run answers."""

    dry_run: Literal[True]
    total: Annotated[int, Field(ge=0, description="How many assets would be read again.")]


_BULK_STATUSES = ("processing", "completed", "failed", "cancelled")


class _BulkCounts(TypedDict):
    operation_id: OperationId
    status: Literal[_BULK_STATUSES]  # type: ignore[valid-type]
    assets_skipped: Annotated[int, Field(ge=0, description="With which nothing was to be done.")]
    assets_failed: Annotated[int, Field(ge=0, description="`/operations/{operation_id}/items` says why.")]
    assets_total: Annotated[int, Field(ge=0, description="0 while it is not known how many a query finds.")]
    estimated_completion: Annotated[Timestamp | None, Field(description="Once it has ended: when.")]


class BulkOperation(_BulkCounts):
    """A bulk operation: how far it is. It has ended if it is over a few assets, as a rule."""

    assets_updated: Annotated[int, Field(ge=0)]


class BulkDeleteOperation(_BulkCounts):
    """A bulk delete: how far it is."""

    assets_deleted: Annotated[int, Field(ge=0)]


class BulkConfirmation(TypedDict):
    """Nothing is deleted yet: send the same body again, with the token."""

    status: Literal["confirmation_required"]
    assets_total: Annotated[int, Field(ge=0, description="How many assets would be deleted.")]
    confirmation_token: str
    expires_at: Timestamp


class BulkPreviewItem(TypedDict):
    """What would become of an asset."""

    id: str
    status: Literal["succeeded", "skipped", "failed"]
    reason: str | None
    message: str | None
    before: Annotated[dict[str, Any], Field(description="The fields that would change, as they are.")]
    after: Annotated[dict[str, Any], Field(description="The same as they would be.")]


class BulkPreview(TypedDict):
    """What a dry run answers: how many assets are meant, and of the first 100 what would become of each."""

    dry_run: Literal[True]
    assets_total: Annotated[int, Field(ge=0)]
    items: list[BulkPreviewItem]


class RetrievedAssets(TypedDict):
    """Assets that were asked for."""

    assets: list[Asset]
    total_found: Annotated[int, Field(ge=0, description="With `query`: how many it finds in all.")]
    total_requested: Annotated[int, Field(ge=0, description="Different ids that were asked for.")]
    not_found: NotRequired[Annotated[list[str], Field(description="Ids that are no asset's; absent without any.")]]
    next_cursor: NotRequired[NextCursor]


class DownloadOperation(TypedDict):
    """An archive of assets' files, made or being made."""

    download_id: Annotated[str, Field(description="Also an id for `/operations/{operation_id}`.")]
    status: Literal["preparing", "ready", "failed", "cancelled"]
    file_count: Annotated[int | None, Field(ge=0, description="Null until the archive is made.")]
    total_size_mb: Annotated[float | None, Field(ge=0, description="Null until the archive is made.")]
    estimated_ready_time: Annotated[Timestamp, Field(description="A guess; once it is made: when.")]
    download_url: Annotated[Link, Field(description="Needs no key; waits for the archive, or answers 202.")]


class Export(TypedDict):
    """An export, made or being made."""

    export_id: OperationId
    operation_id: OperationId
    status: Literal["preparing", "ready", "failed", "cancelled"]
    format: Literal["csv", "json", "xlsx", "zip"]
    total_size_mb: Annotated[float | None, Field(ge=0, description="Null until it is made.")]
    estimated_ready_time: Annotated[Timestamp, Field(description="A guess; once it is made: when.")]
    download_url: Annotated[Link, Field(description="Needs no key; waits for the export, or answers 202.")]


class EventActor(TypedDict):
    """Who wrote a record: the user, null for the service itself."""

    user_id: str | None
    key_id: NotRequired[Annotated[str | None, Field(description="For admins only.")]]
    call_id: NotRequired[Annotated[str | None, Field(description="`X-Request-Id` of the call. For admins only.")]]


class RecordEvent(TypedDict):
    """What happened to a record. A `resync` has `type` and `reason` alone: read again what you hold."""

    id: NotRequired[Annotated[str, Field(description="The same whenever the same event comes again.")]]
    type: Literal[(*EVENT_TYPES, RESYNC)]  # type: ignore[valid-type]
    kind: NotRequired[Annotated[str, Field(description="`asset`.")]]
    key: NotRequired[Annotated[str, Field(description="The record's id.")]]
    rev: NotRequired[Rev]
    at: NotRequired[Timestamp]
    actor: NotRequired[Annotated[EventActor | None, Field(description="Null where it is not known.")]]
    changed: NotRequired[
        Annotated[list[str] | None, Field(description="Fields that the last write changed; null: not known.")]
    ]
    trashed: NotRequired[Annotated[bool, Field(description="Whether it is in the trash.")]]
    reason: NotRequired[Annotated[str, Field(description="Why events may be missing, in a `resync`.")]]
