"""The canonical asset record, and the request bodies that create and change it.

The body of a record is a JSON object, always validated by these models. They are strict: an unknown field or a wrong
type is an error that names the field. ``mappings.fields`` defines what each field means for search.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from mappings.core import ASSET_TYPES as ASSET_TYPES
from mappings.core import STATUSES as STATUSES
from service.times import timestamp

ASSET_ID = re.compile(r"asset_([1-9][0-9]{0,15})\Z", re.ASCII)
"""A public asset id; the number is below 2^53."""

MAX_INT = 2**53 - 1
MAX_KEY = 1000
"""Maximum length of a key in free-form JSON, in characters."""


def _clean(value: str) -> str:
    """Reject characters that stores and engines cannot hold: NUL and lone surrogates."""
    if "\x00" in value:
        raise ValueError("must not contain the NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode, without lone surrogates") from None
    return value


def normal_time(value: str) -> str:
    """Return a date or date-time in the format of records (UTC, milliseconds). Raises ValueError."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a date or date-time such as 2024-01-15 or 2024-01-15T10:30:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return timestamp(moment)
    except OverflowError:
        raise ValueError("must be between the years 1 and 9999") from None


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _json_value(value: Any, depth: int = 0) -> Any:
    """Validate free-form JSON: depth at most 8, valid text, finite numbers within 64 bits."""
    if depth > 8:
        raise ValueError("must not be nested deeper than 8 levels")
    match value:
        case None | bool():
            return value
        case int():
            if not -(2**63) <= value < 2**63:
                raise ValueError("must not contain an integer larger than 64 bits")
        case float():
            if not math.isfinite(value):
                raise ValueError("must not contain NaN or infinity")
        case str():
            _clean(value)
        case list():
            for item in value:
                _json_value(item, depth + 1)
        case dict():
            _check_key_lengths(value)
            for key, item in value.items():
                _clean(key)
                _json_value(item, depth + 1)
        case _:
            raise ValueError("must be JSON")
    return value


def _check_key_lengths(leaves: dict[str, Any]) -> dict[str, Any]:
    """Reject very long keys: OpenSearch rejects documents with a key of more than 50,000 characters."""
    if any(len(name) > MAX_KEY for name in leaves):
        raise ValueError(f"must not contain a key longer than {MAX_KEY:,} characters")
    return leaves


def _at_most(count: int) -> Callable[[Any], Any]:
    """Return a check of an object's size, before its members are validated: each may be wrong in several ways."""

    def check(value: Any) -> Any:
        if isinstance(value, dict) and len(value) > count:
            raise ValueError(f"must not have more than {count:,} members")
        return value

    return check


def stored_seed(value: int | str) -> int | str:
    """Return a generator's seed as it is stored: an integer, or a string of digits if it is too large for stores.

    Generators use seeds up to 2^64-1; MongoDB and SQLite store integers below 2^63.
    """
    number = int(value)
    if not -MAX_INT <= number < 2**64:
        raise ValueError("must be a whole number below 2^64")
    return number if number < 2**63 else str(number)


def _int_as_float(value: Any) -> Any:
    """Accept a whole number where a float is expected (JSON has only one number type)."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


MAX_FILENAME = 256
"""Characters of a file name that are kept."""


def short_filename(name: str) -> str:
    """Return a file name without folders, shortened in its middle where it is too long: the extension stays."""
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    if len(name) <= MAX_FILENAME:
        return name
    stem, dot, ext = name.rpartition(".")
    if not stem or len(ext) > _MAX_EXTENSION:
        return name[:MAX_FILENAME]
    return stem[: MAX_FILENAME - len(ext) - 1].rstrip() + dot + ext


def _named(value: Any) -> Any:
    return short_filename(value) if isinstance(value, str) else value


_MAX_EXTENSION = 16

Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_clean)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(_clean)]
Prose = Annotated[str, StringConstraints(max_length=100_000), AfterValidator(_clean)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256), AfterValidator(_clean)]
Exact = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Filename = Annotated[
    str, BeforeValidator(_named), StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_clean)
]
"""A file's name; one of more than :data:`MAX_FILENAME` characters is shortened."""
Names = Annotated[list[Name], Field(max_length=1000), AfterValidator(_unique)]
Url = Annotated[str, StringConstraints(max_length=2048, pattern=r"^https?://[^\s/]+\S*$"), AfterValidator(_clean)]
Time = Annotated[str, AfterValidator(normal_time)]
Count = Annotated[int, Field(ge=0, le=MAX_INT)]
Whole = Annotated[int, Field(ge=-MAX_INT, le=MAX_INT)]
Number = Annotated[float, BeforeValidator(_int_as_float), Field(allow_inf_nan=False)]
Seed = Annotated[int | Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")], AfterValidator(stored_seed)]
Positive = Annotated[float, BeforeValidator(_int_as_float), Field(ge=0, allow_inf_nan=False)]
Json = Annotated[Any, AfterValidator(_json_value)]
Facts = Annotated[dict[str, Json], BeforeValidator(_at_most(2000)), AfterValidator(_check_key_lengths)]
CustomKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
CustomValue = str | bool | Exact | Number | Names


class Strict(BaseModel):
    """A model with strict types that rejects unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Metadata(BaseModel):
    """Technical and generation metadata. Known keys are validated; any other key is kept unchanged."""

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, Json] = Field(init=False)

    width: Count | None = None
    height: Count | None = None
    format: Line | None = None
    file_size: Count | None = None
    duration: Positive | None = None
    frame_rate: Positive | None = None
    ppi: Positive | None = None
    page_count: Count | None = None
    word_count: Count | None = None
    model: Line | None = None
    prompt: Prose | None = None
    negative_prompt: Prose | None = None
    seed: Seed | None = None
    steps: Count | None = None
    guidance_scale: Number | None = None
    sampler: Line | None = None
    orientation: Whole | None = None
    camera: Line | None = None
    camera_make: Line | None = None
    camera_model: Line | None = None
    lens: Line | None = None
    iso: Count | None = None
    f_number: Positive | None = None
    exposure_time: Positive | None = None
    focal_length: Positive | None = None
    software: Line | None = None
    sample_rate: Count | None = None
    channels: Count | None = None
    bit_rate: Count | None = None
    exif: Facts | None = None
    iptc: Facts | None = None
    xmp: Facts | None = None

    @model_validator(mode="after")
    def _check_size(self) -> Metadata:
        if len(self.__pydantic_extra__ or {}) > 200:
            raise ValueError("must not have more than 200 additional keys")
        _check_key_lengths(self.__pydantic_extra__ or {})
        return self


_METADATA = len(Metadata.model_fields) + 200


class Cost(Strict):
    """What it cost to create an asset."""

    credits_used: Count = 0
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    amount: Positive = 0.0


class UsageStats(Strict):
    """How often an asset was used."""

    downloads: Count = 0
    views: Count = 0
    shares: Count = 0
    favorites: Count = 0


class Gps(Strict):
    """A geographic point in degrees (WGS 84)."""

    lat: Annotated[float, BeforeValidator(_int_as_float), Field(ge=-90, le=90)]
    lon: Annotated[float, BeforeValidator(_int_as_float), Field(ge=-180, le=180)]


class Focus(Strict):
    """The point to keep visible when an image is cropped, in pixels of the original."""

    x: Count
    y: Count


class Person(Strict):
    """A person shown or named, and their role."""

    name: Name
    role: Name | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """How records keep a field of an asset, beside its type.

    Attributes:
        empty: What a record holds where there is nothing: a list or an object where it is of that kind, else no field.
        required: Null is refused: a record always has it.
        imported: Only who may import gives it, with a new asset.
    """

    empty: type[list[Any]] | type[dict[str, Any]] | None = None
    required: bool = False
    imported: bool = False

    def nothing(self) -> list[Any] | dict[str, Any] | None:
        """Return what a record holds where there is nothing, None for no field."""
        return None if self.empty is None else self.empty()


_LIST, _OBJECT = Kept(empty=list), Kept(empty=dict)
_REQUIRED, _IMPORTED = Kept(required=True), Kept(imported=True)


class AssetPatch(Strict):
    """A change to an asset: absent fields are unchanged, null clears a field.

    Objects that are kept as such (``metadata``, ``custom``) are merged key by key (RFC 7396).

    These rows, and those of :class:`AssetCreate`, are the one table of the fields that clients write: what a record
    keeps and what stands for nothing is read from :data:`ASSET_FIELDS`.
    """

    type: Annotated[Literal[ASSET_TYPES] | None, _REQUIRED] = None  # type: ignore[valid-type]
    filename: Filename | None = None
    title: Title | None = None
    description: Prose | None = None
    alt_text: Prose | None = None
    credit: Line | None = None
    creator: Annotated[Names | None, _LIST] = None
    source_info: Prose | None = None
    license: Line | None = None
    rights_code: Line | None = None
    tags: Annotated[Names | None, _LIST] = None
    rating: Annotated[int, Field(ge=0, le=5)] | None = None
    people: Annotated[Annotated[list[Person], Field(max_length=200)] | None, _LIST] = None
    captured_at: Time | None = None
    expires_at: Time | None = None
    gps: Gps | None = None
    colours: Annotated[Names | None, _LIST] = None
    focus: Focus | None = None
    external_url: Url | None = None
    module: Annotated[Name | None, _REQUIRED] = None
    submodule: Name | None = None
    status: Annotated[Literal[STATUSES] | None, _REQUIRED] = None  # type: ignore[valid-type]
    is_public: Annotated[bool | None, _REQUIRED] = None
    is_favorite: Annotated[bool | None, _REQUIRED] = None
    is_deleted: Annotated[bool | None, _REQUIRED] = None
    collections: Annotated[Names | None, _LIST] = None
    metadata: Annotated[Annotated[Metadata | None, BeforeValidator(_at_most(_METADATA))], _OBJECT] = None
    custom: Annotated[
        Annotated[dict[CustomKey, CustomValue | None], BeforeValidator(_at_most(100))] | None, _OBJECT
    ] = None


class AssetCreate(AssetPatch):
    """A new asset. ``created_at``, ``usage_stats`` and ``cost`` need the scope ``assets:import``."""

    mime_type: Annotated[str, StringConstraints(pattern=r"^[\w.+-]+/[\w.+-]+$", max_length=127)] | None = None
    created_at: Annotated[Time | None, _IMPORTED] = None
    usage_stats: Annotated[UsageStats | None, _IMPORTED] = None
    cost: Annotated[Cost | None, _IMPORTED] = None
    is_deleted: None = Field(default=None, exclude=True)  # a new asset is never in the trash


def _kept(model: type[BaseModel]) -> dict[str, Kept]:
    return {
        name: next((mark for mark in field.metadata if isinstance(mark, Kept)), Kept())
        for name, field in model.model_fields.items()
    }


ASSET_FIELDS: Mapping[str, Kept] = _kept(AssetCreate) | _kept(AssetPatch)
"""How records keep each field that clients write."""

LIST_FIELDS = tuple(name for name, kept in ASSET_FIELDS.items() if kept.empty is list)
"""Fields that are a list in every record."""

IMPORT_ONLY = tuple(name for name, kept in ASSET_FIELDS.items() if kept.imported)
"""Fields of a new asset that require the scope ``assets:import``."""


class AssetBody(TypedDict):
    """The body of a record of the kind ``asset``: what code calls by name.

    A body holds beside these what :class:`AssetCreate` takes and nothing but a view or a search looks at (``alt_text``,
    ``license``, ``people`` …): those fields come and go by the model's own table.
    """

    id: str
    number: int
    guid: str
    sid: str
    org_id: str
    user_id: str
    slug: str
    type: str
    title: str
    tags: list[str]
    admin_tags: list[str]
    favorited_by: list[str]
    usage_stats: dict[str, int]
    cost: dict[str, Any]
    metadata: dict[str, Any]
    custom: dict[str, Any]
    collections: list[str]
    module: str
    status: str
    state: str
    is_public: bool
    version: int
    created_at: str
    deleted_at: NotRequired[str]
    filename: NotRequired[str]
    ext: NotRequired[str]
    mime_type: NotRequired[str]
    sha256: NotRequired[str]
    md5: NotRequired[str]
    external_url: NotRequired[str]
    import_key: NotRequired[str]
    source_path: NotRequired[str]
    restored_from: NotRequired[str]
    given: NotRequired[list[str]]
    """What people gave of what the file could say: a new reading of the file leaves it alone."""
    last_operation: NotRequired[str]
    """The operation that changed it last."""
