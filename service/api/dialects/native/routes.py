"""The native API's routes: one table, from which the router, OpenAPI and ``docs/ref-api.md`` are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from service.api.dialects.native import (
    answers,
    assets,
    bulk,
    events,
    explain,
    exports,
    files,
    operations,
    saved_searches,
    search,
    suggest,
)
from service.api.dialects.native.errors import ERRORS
from service.api.dialects.native.params import (
    AdvancedSearch,
    BasicSearch,
    DeleteAsset,
    ExecuteSearch,
    FacetSearch,
    FetchDownload,
    FollowEvents,
    ListOperationItems,
    ListOperations,
    ReadAsset,
    ReadFile,
    Suggest,
)
from service.api.dialects.native.read_only import AssetUpdate
from service.api.dialects.native.views import PREFIX
from service.api.kernel.authentication import BEARER, SIGNED_DOWNLOAD, SIGNED_LINK
from service.api.kernel.bodies import FormBody, JsonBody
from service.api.kernel.dialect import Dialect
from service.api.kernel.event_stream import MEDIA_TYPE, StreamParams
from service.api.kernel.file_response import FILE_ANSWERS, FILE_ERRORS
from service.api.kernel.pagination import CursorParams
from service.api.kernel.route import Answer, Route
from service.core.assets.reprocess import ReprocessRequest
from service.core.bulk.requests import BulkCollections, BulkDelete, BulkFavorites, BulkUpdate
from service.core.exports.requests import BulkDownload, ExportSearch
from service.core.search.saved_searches import SearchCreate, SearchPatch
from service.model import AssetCreate

_READ, _WRITE = "assets:read", "assets:write"
_NEW_ASSET = (
    JsonBody(
        AssetCreate,
        example={
            "type": "image",
            "title": "Stunning mountain landscape",
            "description": "A beautiful mountain landscape generated with Stable Diffusion",
            "module": "image_studio",
            "submodule": "create_studio",
            "tags": ["mountain", "landscape", "nature", "outdoor"],
            "metadata": {"width": 1024, "height": 1024, "model": "stable-diffusion-xl", "seed": 123456789, "steps": 20},
            "collections": ["favorites", "landscapes"],
        },
    ),
    FormBody(AssetCreate, json_part="asset"),
)
_CHANGED_ASSET = (
    JsonBody(
        AssetUpdate,
        example={
            "title": "Updated Mountain Landscape",
            "description": "A stunning mountain landscape perfect for marketing campaigns",
            "tags": ["mountain", "landscape", "marketing", "brand"],
            "collections": ["marketing_assets", "landscapes"],
            "is_favorite": True,
        },
    ),
    FormBody(AssetUpdate, json_part="asset"),
)
_NEW_SEARCH = (
    JsonBody(
        SearchCreate,
        example={
            "name": "Marketing Images Q1 2024",
            "query": "type:image AND module:image_studio AND tags:marketing AND created_at:[2024-01-01 TO 2024-03-31]",
            "filters": {"sort_by": "downloads", "sort_order": "desc"},
            "description": "High-performing marketing images from Q1",
        },
    ),
)

_SEED_IDS = ["asset_123", "asset_456", "asset_789"]


def _bulk(model: type[BaseModel], **example: Any) -> tuple[JsonBody, ...]:
    return (JsonBody(model, example={"asset_ids": _SEED_IDS, **example}),)


_BULK_ANSWERS: Mapping[int, Any] = {
    200: Answer(
        answers.BulkOperation | answers.BulkPreview,
        "The operation, which has ended; or a dry run.",
        headers=("Location",),
    ),
    202: Answer(answers.BulkOperation, "The operation, which goes on.", headers=("Location",)),
}
_DELETE_ANSWERS: Mapping[int, Any] = {
    200: Answer(
        answers.BulkDeleteOperation | answers.BulkConfirmation | answers.BulkPreview,
        "The operation, which has ended; what is to be confirmed; or a dry run.",
        headers=("Location",),
    ),
    202: Answer(answers.BulkDeleteOperation, "The operation, which goes on.", headers=("Location",)),
}

_DOWNLOAD_ANSWERS: Mapping[int, Any] = {
    200: Answer(answers.DownloadOperation, "The archive is made.", headers=("Location",)),
    202: Answer(answers.DownloadOperation, "The archive is being made.", headers=("Location",)),
}
_EXPORT_ANSWERS: Mapping[int, Any] = {
    200: Answer(answers.Export, "The export is made.", headers=("Location",)),
    202: Answer(answers.Export, "The export is being made.", headers=("Location",)),
}

ROUTES: tuple[Route, ...] = (
    Route("GET", "/assets/search", search.basic, _READ, {200: answers.SearchResults}, BasicSearch),
    Route("GET", "/assets/search/advanced", search.advanced, _READ, {200: answers.SearchResults}, AdvancedSearch),
    Route("GET", "/assets/search/facets", search.facets, _READ, {200: answers.SearchResults}, FacetSearch),
    Route("POST", "/assets", assets.create, _WRITE, {201: answers.Asset}, body=_NEW_ASSET, changes=True),
    Route(
        "POST",
        "/assets/reprocess",
        operations.reprocess,
        _WRITE,
        {
            200: Answer(answers.ReprocessCount, "With `dry_run`: how many assets it would be."),
            202: Answer(answers.Operation, "The operation, which goes on.", headers=("Location",)),
        },
        body=ReprocessRequest,
        changes=True,
    ),
    Route(
        "POST",
        "/assets/bulk/retrieve",
        bulk.retrieve,
        _READ,
        {200: answers.RetrievedAssets},
        body=_bulk(bulk.BulkRetrieve, include_metadata=True, include_urls=True, include_stats=True),
    ),
    Route(
        "PATCH",
        "/assets/bulk/metadata",
        bulk.update,
        _WRITE,
        _BULK_ANSWERS,
        body=_bulk(
            BulkUpdate,
            updates={
                "tags": {"add": ["marketing", "q1_2024"], "remove": ["draft"]},
                "title_prefix": "Marketing - ",
                "description_suffix": " - Generated with ALwrity",
                "collections": {"add": ["marketing_campaign_q1"], "remove": ["drafts"]},
            },
            options={"create_backup": True, "validate_changes": True, "notify_on_completion": True},
        ),
        changes=True,
    ),
    Route(
        "DELETE",
        "/assets/bulk",
        bulk.delete,
        _WRITE,
        _DELETE_ANSWERS,
        body=_bulk(
            BulkDelete,
            confirmation_required=True,
            reason="Cleanup old draft assets",
            options={"permanent_delete": False, "create_backup": True, "notify_team": True},
        ),
        changes=True,
    ),
    Route(
        "POST",
        "/assets/bulk/collections",
        bulk.collections,
        _WRITE,
        _BULK_ANSWERS,
        body=_bulk(
            BulkCollections,
            collections={"add": ["marketing_q1", "approved_assets"], "remove": ["drafts", "review_pending"]},
        ),
        changes=True,
    ),
    Route(
        "POST",
        "/assets/bulk/favorites",
        bulk.favorites,
        _WRITE,
        _BULK_ANSWERS,
        body=_bulk(BulkFavorites, action="add", collection="favorites"),
        changes=True,
    ),
    Route(
        "POST",
        "/assets/bulk/download",
        exports.bulk_download,
        _READ,
        _DOWNLOAD_ANSWERS,
        body=_bulk(
            BulkDownload,
            format="zip",
            options={
                "include_originals": True,
                "include_thumbnails": False,
                "include_metadata": True,
                "metadata_format": "json",
                "organize_by_type": True,
                "compression_level": "normal",
            },
        ),
        changes=True,
    ),
    Route(
        "POST",
        "/exports/search",
        exports.export_search,
        _READ,
        _EXPORT_ANSWERS,
        body=(
            JsonBody(
                ExportSearch,
                example={
                    "query": "type:image AND tags:marketing",
                    "format": "csv",
                    "include_metadata": True,
                    "include_urls": True,
                    "include_stats": False,
                    "max_results": 1000,
                },
            ),
        ),
        changes=True,
    ),
    Route(
        "GET",
        "/downloads/{download_id}",
        exports.download,
        _READ,
        {**FILE_ANSWERS, 202: Answer(answers.Operation, "It is not made yet.", headers=("Retry-After",))},
        FetchDownload,
        errors=(*FILE_ERRORS, "BULK_OPERATION_FAILED"),
        authentication=(SIGNED_DOWNLOAD, BEARER),
    ),
    Route(
        "POST",
        "/operations/{operation_id}/undo",
        bulk.undo,
        _WRITE,
        {202: Answer(answers.Operation, "The operation that undoes it.", headers=("Location",))},
        changes=True,
    ),
    Route("GET", "/operations", operations.listing, _READ, {200: answers.Operations}, ListOperations),
    Route("GET", "/operations/{operation_id}", operations.read, _READ, {200: answers.Operation}),
    Route(
        "POST",
        "/operations/{operation_id}/cancel",
        operations.cancel,
        _WRITE,
        {200: answers.Operation},
        changes=True,
    ),
    Route(
        "GET",
        "/operations/{operation_id}/items",
        operations.items,
        _READ,
        {200: answers.OperationItems},
        ListOperationItems,
    ),
    Route(
        "GET",
        "/operations/{operation_id}/events",
        operations.events,
        _READ,
        {200: Answer(answers.Operation, "The operation whenever it changes, up to its end.", MEDIA_TYPE)},
        StreamParams,
    ),
    Route("GET", "/assets/{asset_id}", assets.read, _READ, {200: answers.Asset}, ReadAsset, versioned=True),
    Route(
        "PATCH",
        "/assets/{asset_id}",
        assets.update,
        _WRITE,
        {200: answers.Asset},
        body=_CHANGED_ASSET,
        changes=True,
        versioned=True,
    ),
    Route(
        "DELETE",
        "/assets/{asset_id}",
        assets.delete,
        _WRITE,
        {200: answers.DeletedAsset},
        DeleteAsset,
        changes=True,
        versioned=True,
    ),
    Route("GET", "/suggest", suggest.suggest, _READ, {200: answers.Suggestions}, Suggest),
    Route("POST", "/query/explain", explain.explain, _READ, {200: answers.Explanation}, body=explain.ExplainQuery),
    Route(
        "POST", "/searches", saved_searches.create, _WRITE, {201: answers.SavedSearch}, body=_NEW_SEARCH, changes=True
    ),
    Route("GET", "/searches", saved_searches.listing, _READ, {200: answers.SavedSearches}, CursorParams),
    Route("GET", "/searches/{search_id}", saved_searches.read, _READ, {200: answers.SavedSearch}, versioned=True),
    Route(
        "PATCH",
        "/searches/{search_id}",
        saved_searches.update,
        _WRITE,
        {200: answers.SavedSearch},
        body=SearchPatch,
        changes=True,
        versioned=True,
    ),
    Route(
        "DELETE",
        "/searches/{search_id}",
        saved_searches.delete,
        _WRITE,
        {200: answers.DeletedSearch},
        changes=True,
        versioned=True,
    ),
    Route(
        "GET",
        "/searches/{search_id}/execute",
        saved_searches.execute,
        _READ,
        {200: answers.SearchResults},
        ExecuteSearch,
    ),
    Route(
        "GET",
        "/events",
        events.follow,
        _READ,
        {200: Answer(answers.RecordEvent, "Events as they come.", MEDIA_TYPE)},
        FollowEvents,
    ),
)

NATIVE = Dialect(
    name="native",
    title="Assetry",
    description="Search and manage assets. Errors are in docs/ref-errors.md, the language of queries in "
    "docs/ref-query-syntax.md.",
    prefix=PREFIX,
    routes=ROUTES,
    authentication=(BEARER,),
    errors=ERRORS,
    path_parameters={
        "asset_id": ("Id of an asset.", {"type": "string", "pattern": "^asset_[1-9][0-9]{0,15}$"}),
        "operation_id": ("Id of an operation.", {"type": "string", "pattern": answers.OPERATION_ID}),
        "download_id": ("Id of a download or an export.", {"type": "string", "pattern": answers.OPERATION_ID}),
        "search_id": ("Id of a saved search.", {"type": "string", "pattern": "^search_[A-Za-z0-9]+$"}),
    },
)

FILES = Dialect(
    name="files",
    title="Files",
    description="What the links in answers lead to.",
    prefix="/files",
    routes=(
        Route(
            "GET", "/{asset_id}/{rendition}/{filename}", files.read, _READ, FILE_ANSWERS, ReadFile, errors=FILE_ERRORS
        ),
    ),
    authentication=(SIGNED_LINK, BEARER),
    errors=ERRORS,
    unknown="ignore",
    path_parameters={
        **NATIVE.path_parameters,
        "rendition": ("Which file of the asset.", {"enum": ["original", "thumbnail", "preview"]}),
        "filename": ("Any name; links in answers carry the file's own.", {"type": "string"}),
    },
)
"""Outside of the prefix, for the links are those of every dialect."""
