"""The bodies of exports and bulk downloads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from service.core.bulk.requests import BulkSelection
from service.core.exports.columns import MAX_COLUMNS
from service.model import Json, Strict

MAX_ROWS = 1_000_000
"""Assets that one export may have."""
MAX_FILES = 100_000
"""Files that one archive may have."""

Format = Literal["csv", "json", "xlsx", "zip"]
Column = Annotated[str, Field(min_length=1, max_length=200)]


class ArchiveOptions(Strict):
    """What an archive holds, and how."""

    include_originals: bool = True
    include_thumbnails: bool = False
    include_metadata: Annotated[bool, Field(description="A table of the assets beside their files.")] = True
    metadata_format: Literal["json", "csv"] = "json"
    organize_by_type: Annotated[bool, Field(description="A folder for each type.")] = True
    compression_level: Literal["none", "fast", "normal", "maximum"] = "normal"

    @model_validator(mode="after")
    def _something(self) -> ArchiveOptions:
        if not (self.include_originals or self.include_thumbnails or self.include_metadata):
            raise ValueError("needs include_originals, include_thumbnails or include_metadata")
        return self


class BulkDownload(BulkSelection):
    """An archive of the files of many assets."""

    format: Literal["zip"] = "zip"
    options: ArchiveOptions = Field(default_factory=ArchiveOptions)


class ExportSearch(Strict):
    """An export of what a search finds."""

    query: Annotated[str, Field(description="Query text; empty means every asset.")]
    filters: Annotated[dict[str, Json] | None, Field(description="As in a search: {field: value} …")] = None
    format: Format = "csv"
    columns: Annotated[
        list[Column] | None, Field(min_length=1, max_length=MAX_COLUMNS, description="Members, such as metadata.width.")
    ] = None
    include_metadata: bool = True
    include_urls: bool = True
    include_stats: bool = False
    include_originals: Annotated[bool, Field(description="For `zip`.")] = True
    include_thumbnails: Annotated[bool, Field(description="For `zip`.")] = False
    organize_by_type: Annotated[bool, Field(description="For `zip`.")] = True
    max_results: Annotated[int, Field(ge=1, le=MAX_ROWS)] = MAX_ROWS

    @model_validator(mode="after")
    def _fits(self) -> ExportSearch:
        if self.format == "zip" and self.columns is not None:
            raise ValueError("takes columns with csv, json and xlsx only")
        return self
