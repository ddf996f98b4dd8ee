"""The query parameters of the native API, as described tables."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from service.api.kernel.event_stream import StreamParams
from service.api.kernel.inputs import Params
from service.api.kernel.pagination import MAX_CURSOR, CursorParams
from service.core.operations.operations import OPERATION_STATUSES
from service.core.search.consistency import DEFAULT_SECONDS, MAX_SECONDS, MAX_TOKEN
from service.model import ASSET_TYPES

MAX_OFFSET = 10_000

Limit = Annotated[int, Field(ge=0, le=100, description="Number of results, at most 100.")]
Facets = Annotated[
    str,
    Field(description="Fields to count values of: names by commas, or a JSON list of names and objects with options."),
]
Zone = Annotated[str, Field(description="IANA time zone of dates in the query.", max_length=64)]
Lenient = Annotated[bool, Field(description="Take what cannot be read as plain words, and say so in `warnings`.")]


class SearchOptions(Params):
    """What every search takes: which page of the results, what comes with them, and how fresh they must be."""

    limit: Limit = 20
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET, description="Results to skip, at most 10,000.")] = 0
    cursor: Annotated[
        str | None,
        Field(
            description="Instead of `offset`, to any depth: `*` starts, then `next_cursor` of the answer before.",
            max_length=MAX_CURSOR,
        ),
    ] = None
    highlight: Annotated[
        bool, Field(description="Add `highlights` to each result: its words that were found, in `<em>`, safe as HTML.")
    ] = False
    zone: Zone = "UTC"
    wait_for: Annotated[
        str | None,
        Field(
            description="`X-Index-Token` of a write that the search must see; `index_caught_up` says if it does.",
            max_length=MAX_TOKEN,
        ),
    ] = None
    wait_timeout: Annotated[
        float,
        Field(
            ge=0,
            le=MAX_SECONDS,
            allow_inf_nan=False,
            description=f"Seconds to wait for the index, at most {MAX_SECONDS:g}.",
        ),
    ] = DEFAULT_SECONDS


class Paged(SearchOptions):
    """Which page, in which order."""

    sort_by: Annotated[
        str | None,
        Field(description="Sort field: `created_at`, `updated_at`, `downloads`, `relevance` or any sortable field."),
    ] = None
    sort_order: Annotated[Literal["asc", "desc"] | None, Field(description="Sort order.")] = None
    suggest: Annotated[
        bool, Field(description="Add `suggestion`, another spelling of the text, when little is found.")
    ] = True


class BasicSearch(Paged):
    """``GET /assets/search``."""

    q: Annotated[
        str,
        Field(
            description="Words to look for; operators work too, and nothing is a syntax error.",
            examples=["mountain landscape"],
        ),
    ] = ""
    type: Annotated[Literal[ASSET_TYPES] | None, Field(description="Asset type.")] = None  # type: ignore[valid-type]
    module: Annotated[str | None, Field(description="Module, such as `image_studio`.", max_length=256)] = None


class AdvancedSearch(Paged):
    """``GET /assets/search/advanced``."""

    query: Annotated[
        str,
        Field(
            description="Query text, see docs/ref-query-syntax.md; empty means everything.",
            examples=["type:image AND (tags:mountain OR tags:landscape) AND width:[1024 TO 2048]"],
        ),
    ] = ""
    filters: Annotated[
        str, Field(description='JSON object: {"field": value, [values] or {"gte": …}}, `sort_by`, `sort_order`.')
    ] = ""
    facets: Facets = ""
    facet_form: Annotated[
        Literal["map", "list"],
        Field(
            description="`map`: {field: {value: count}}. `list`: a list of facets, whose values keep their order in "
            "every client, and which count the values that are left out."
        ),
    ] = "map"
    sort: Annotated[
        str | None,
        Field(description="Several sort keys: `-created_at,title`.", max_length=500, examples=["-created_at,title"]),
    ] = None
    lenient: Lenient = False


class FacetSearch(AdvancedSearch):
    """``GET /assets/search/facets``."""

    facets: Facets = "type,module,tags,model"


class Suggest(Params):
    """``GET /suggest``."""

    q: Annotated[str, Field(description="The text typed so far.")] = ""
    position: Annotated[
        int | None, Field(ge=0, description="Where the cursor stands, in characters of the text; unset: at its end.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=50, description="Number of proposals, at most 50.")] = 10


class ExecuteSearch(SearchOptions):
    """``GET /searches/{search_id}/execute``."""


class ReadAsset(Params):
    """``GET /assets/{asset_id}``."""

    include_metadata: Annotated[bool, Field(description="Include full metadata.")] = True
    include_stats: Annotated[bool, Field(description="Include usage statistics.")] = True
    include_urls: Annotated[bool, Field(description="Include all URL variants.")] = True


class DeleteAsset(Params):
    """``DELETE /assets/{asset_id}``."""

    permanent: Annotated[bool, Field(description="Delete for good instead of moving to the trash.")] = False
    backup: Annotated[bool, Field(description="Keep a backup of what is deleted for good.")] = True


class ListOperations(CursorParams):
    """``GET /operations``."""

    status: Annotated[
        Literal[OPERATION_STATUSES] | None,  # type: ignore[valid-type]
        Field(description="Only operations in this state."),
    ] = None
    type: Annotated[str | None, Field(description="Only operations of this type.", max_length=100)] = None


class ListOperationItems(CursorParams):
    """``GET /operations/{operation_id}/items``."""

    status: Annotated[
        Literal["succeeded", "skipped", "failed"] | None,
        Field(description="Only items that came out so. Of what succeeded, those that were changed are kept."),
    ] = None


class FollowEvents(StreamParams):
    """``GET /events``."""

    types: Annotated[
        str,
        Field(
            description="Types of events by commas, such as `asset.created,asset.deleted`; unset: all that the key may "
            "see.",
            max_length=500,
        ),
    ] = ""


class FetchDownload(Params):
    """``GET /downloads/{download_id}``."""

    expires: Annotated[str | None, Field(description="When the signed link ends, in seconds since 1970.")] = None
    signature: Annotated[str | None, Field(description="The link's signature; without one an API key is needed.")] = (
        None
    )


class ReadFile(Params):
    """``GET /files/{asset_id}/{rendition}/{filename}``."""

    flags = frozenset({"download"})

    expires: Annotated[str | None, Field(description="When the signed link ends, in seconds since 1970.")] = None
    signature: Annotated[str | None, Field(description="The link's signature; without one an API key is needed.")] = (
        None
    )
    v: Annotated[str | None, Field(description="The version of the content that a link is for.")] = None
    download: Annotated[str | None, Field(description="Given: a browser saves the file instead of showing it.")] = None
