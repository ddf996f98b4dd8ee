"""The query parameters of the native API, as described tables."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.model import ASSET_TYPES

MAX_OFFSET = 10_000


class Params(BaseModel):
    """Query parameters: text turned into types; unknown ones are errors."""

    model_config = ConfigDict(extra="forbid")


class NoParams(Params):
    """A route without query parameters."""


class Paged(Params):
    """Which page, in which order."""

    limit: Annotated[int, Field(ge=0, le=100, description="Number of results, at most 100.")] = 20
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET, description="Results to skip, at most 10,000.")] = 0
    sort_by: Annotated[
        str | None,
        Field(description="Sort field: `created_at`, `updated_at`, `downloads`, `relevance` or any sortable field."),
    ] = None
    sort_order: Annotated[Literal["asc", "desc"] | None, Field(description="Sort order.")] = None
    zone: Annotated[str, Field(description="IANA time zone of dates in the query.", max_length=64)] = "UTC"


class BasicSearch(Paged):
    """``GET /assets/search``."""

    q: Annotated[str, Field(description="Words to look for; operators work too, and nothing is a syntax error.")] = ""
    type: Annotated[Literal[ASSET_TYPES] | None, Field(description="Asset type.")] = None  # type: ignore[valid-type]
    module: Annotated[str | None, Field(description="Module, such as `image_studio`.", max_length=256)] = None


class AdvancedSearch(Paged):
    """``GET /assets/search/advanced``."""

    query: Annotated[str, Field(description="Query text, see docs/ref-query-syntax.md; empty means everything.")] = ""
    filters: Annotated[
        str, Field(description='JSON object: {"field": value, [values] or {"gte": …}}, `sort_by`, `sort_order`.')
    ] = ""
    facets: Annotated[str, Field(description="Comma-separated fields to count values of.")] = ""
    sort: Annotated[str | None, Field(description="Several sort keys: `-created_at,title`.", max_length=500)] = None
    lenient: Annotated[
        bool, Field(description="Take what can not be read as plain words, and say so in `warnings`.")
    ] = False


class FacetSearch(AdvancedSearch):
    """``GET /assets/search/facets``."""

    facets: Annotated[str, Field(description="Comma-separated fields to count values of.")] = "type,module,tags,model"


class ReadAsset(Params):
    """``GET /assets/{asset_id}``."""

    include_metadata: Annotated[bool, Field(description="Include full metadata.")] = True
    include_stats: Annotated[bool, Field(description="Include usage statistics.")] = True
    include_urls: Annotated[bool, Field(description="Include all URL variants.")] = True


class DeleteAsset(Params):
    """``DELETE /assets/{asset_id}``."""

    permanent: Annotated[bool, Field(description="Delete for good instead of moving to the trash.")] = False
    backup: Annotated[bool, Field(description="Keep a backup of what is deleted for good.")] = True
