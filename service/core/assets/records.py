"""How a new asset's record is put together."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from service.core.access.keys import Principal
from service.core.shared.repository import Rename, Repository
from service.errors import InvalidInput, NotAllowed
from service.model import (
    IMPORT_ONLY,
    LIST_FIELDS,
    AssetBody,
    AssetCreate,
    AssetPatch,
    normal_time,
    short_filename,
    stored_seed,
)
from service.ports.clock import Clock
from service.ports.files import Put
from service.ports.ingest import Facts
from service.ports.store import Body, Change, Store
from service.times import timestamp

NO_USE = {"downloads": 0, "views": 0, "shares": 0, "favorites": 0}
NO_COST = {"credits_used": 0, "currency": "USD", "amount": 0.0}

NEEDS_URL = frozenset({"link", "external_video"})
"""Types that live elsewhere: they need ``external_url`` (seed 001)."""

_FILE_TYPES: dict[str, frozenset[str]] = {
    "pdf": frozenset({"pdf", "document"}),
    "text": frozenset({"text", "document"}),
    "document": frozenset({"document"}),
}
"""By the type that the content has: the types that the caller may call it. Any file may be called ``other``."""

_FROM_FILE = {
    "title": 500,
    "description": 100_000,
    "license": 500,
    "credit": 500,
    "captured_at": 40,
    "gps": 2,
    "rating": 0,
}
"""What a file may say of itself where the caller says nothing, and the most characters of it that are kept."""
_NAME_LENGTH, _NAMES, _PEOPLE = 256, 1000, 200
_LISTED_LATER = frozenset({"people"})
"""Fields that files fill in now but did not always: where they hold something, older records do not say whose it is."""
_TECHNICAL = frozenset(
    "width height format file_size duration frame_rate ppi page_count word_count sample_rate channels bit_rate".split()
)
"""Leaves of metadata in which the file itself is right and not the caller."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A new asset's file: where it was stored, what it says of itself, and its name as it came."""

    put: Put
    facts: Facts
    filename: str


class Tags(NamedTuple):
    """Tags parted: those that everybody sees, and those that admins see."""

    plain: list[str]
    admin: list[str]


def asset_repository(store: Store, clock: Clock) -> Repository[AssetBody]:
    """Return the repository of assets: one whose slug is taken gets its number into it."""
    return Repository(store, "asset", renames=RENAMES, clock=clock)


def _numbered(body: Mapping[str, Any]) -> Body:
    return {"slug": f"{slugify(body['title'])}-{body['number']}"}


RENAMES: Mapping[str, Rename] = {"slug": _numbered}
"""What an asset gets where its value of a unique index is taken, by the name of the index."""


def slugify(text: str) -> str:
    """Return ``text`` as a slug: ASCII letters, digits and hyphens, at most 80 characters, never empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-") or "asset"


def plain(model: AssetPatch) -> dict[str, Any]:
    """Return the fields that were given, as JSON. Leaves of metadata that are null are kept: they clear."""
    return model.model_dump(mode="json", exclude_unset=True)


def split_tags(tags: list[str], who: Principal) -> Tags:
    """Part tags from admin tags (a leading ``*``). Raises NotAllowed when one who is no admin gives an admin tag."""
    admin = [tag for tag in tags if tag.startswith("*")]
    if admin and not who.is_admin:
        raise NotAllowed(f"The tag {admin[0]!r} starts with '*': only admins may give such tags.", scope="admin")
    return Tags([tag for tag in tags if not tag.startswith("*")], admin)


def new_record(
    given: AssetCreate, who: Principal, number: int, clock: Clock, *, file: StoredFile | None = None
) -> AssetBody:
    """Return the body of a new asset: what the caller gave, completed by what the file says.

    Raises:
        InvalidInput: a field that the type needs is missing, or the file is not of the type that was given.
        NotAllowed: a field that only imports may give, or an admin tag.
    """
    check_new(given, who, file.facts if file else None)
    data = plain(given)
    now = timestamp(clock.now())
    tags, admin_tags = split_tags(data.pop("tags", None) or [], who)
    favorite = bool(data.pop("is_favorite", False))
    body: Body = {name: value for name, value in data.items() if value is not None and name != "metadata"}
    metadata = {name: value for name, value in (data.get("metadata") or {}).items() if value is not None}
    if file:
        tags = _complete(body, metadata, tags, file)
    for name in LIST_FIELDS:
        body.setdefault(name, [])
    usage = {**NO_USE, **(data.get("usage_stats") or {})}
    if favorite:
        usage["favorites"] = max(usage["favorites"], 1)
    if file:
        body["given"] = sorted(given_names(data) - {"tags"})
    body |= {
        "id": f"asset_{number}",
        "number": number,
        "guid": clock.guid(),
        "sid": clock.sid(),
        "org_id": who.org_id,
        "user_id": who.user_id,
        "title": body.get("title") or _title(body),
        "module": body.get("module") or "library",
        "status": body.get("status") or "completed",
        "state": "processed",
        "is_public": bool(body.get("is_public")),
        "tags": tags,
        "admin_tags": admin_tags,
        "favorited_by": [who.user_id] if favorite else [],
        "cost": {**NO_COST, **(data.get("cost") or {})},
        "usage_stats": usage,
        "created_at": data.get("created_at") or now,
        "custom": {name: value for name, value in (data.get("custom") or {}).items() if value is not None},
        "metadata": metadata,
        "version": 1,
    }
    if "ext" not in body and (ext := extension(body.get("filename", ""))):
        body["ext"] = ext
    body["slug"] = slugify(body["title"])
    return cast("AssetBody", body)


def given_names(data: Mapping[str, Any]) -> set[str]:
    """Return which of the fields that a file can fill in are in the data of a new asset or of a patch.

    A leaf of metadata is ``metadata.<name>``; ``metadata`` alone means all of them.
    """
    names = {name for name in data if name in _FROM_FILE or name in {"creator", "people", "tags", "type"}}
    if "metadata" in data:
        leaves: Mapping[str, Any] | None = data["metadata"]
        names |= {"metadata"} if leaves is None else {f"metadata.{name}" for name in leaves}
    return names


def reread(body: AssetBody, facts: Facts) -> Change | None:
    """Return what a new reading of an asset's file changes; None for nothing.

    What a person gave stays, also if it was cleared: the record's ``given`` names it. So do words that a record without
    that list has (it is older): nobody knows who wrote them. Of what is left, the file is right about what it says, and
    what it does not say (any more) stays: a reading that finds less takes nothing away. Technical leaves of metadata
    are always the file's. Its keywords are added to the tags until a person has edited those. The slug stays, since
    links hold it.
    """
    listed = body.get("given")
    given = frozenset(listed or ())
    old: Mapping[str, Any] = body

    def is_free(name: str, value: Any) -> bool:
        is_known = listed is not None and name not in _LISTED_LATER
        return name not in given and (is_known or not value)

    new = {name: value for name, value in _words(facts).items() if is_free(name, old.get(name))}
    new["mime_type"] = facts.mime_type
    if listed is not None and "type" not in given and facts.type != "other":
        new["type"] = facts.type
    metadata = dict(body["metadata"])
    all_given = "metadata" in given
    for name, value in facts.metadata.items():
        if name in _TECHNICAL or (not all_given and is_free(f"metadata.{name}", name in metadata)):
            metadata[name] = value
    new["metadata"] = _storable(metadata)
    if is_free("tags", body["tags"]) and (keywords := _keywords(facts)):
        new["tags"] = list(dict.fromkeys([*body["tags"], *keywords]))[:_NAMES]
    changed = {name: value for name, value in new.items() if old.get(name) != value}
    return Change(set=changed) if changed else None


def replaced(body: AssetBody, file: StoredFile) -> Body:
    """Return the fields of an asset whose file takes the place of the one it had.

    What a person gave stays, as in :func:`reread`; what only the old file said goes.
    """
    held = cast("Body", {**body})
    # Of a record without the list (it had no file, or is older), nobody but a person gave what it has.
    listed = frozenset(body["given"] if "given" in body else given_names(_filled(held)))
    facts = file.facts
    words = {name: value for name, value in _words(facts).items() if name not in listed}
    kept = {
        name: value
        for name, value in body["metadata"].items()
        if name not in _TECHNICAL and ("metadata" in listed or f"metadata.{name}" in listed)
    }
    metadata = _storable({**facts.metadata, **kept})
    metadata["file_size"] = file.put.size
    filename = short_filename(file.filename)
    new: Body = {
        **words,
        "metadata": metadata,
        "sha256": file.put.sha256,
        "md5": file.put.md5,
        "mime_type": facts.mime_type,
        "filename": filename,
        "ext": extension(filename) or facts.ext,
        "version": body["version"] + 1,
        "given": sorted(listed),
    }
    if "type" not in listed and facts.type != "other":
        new["type"] = facts.type
    return new


def _filled(body: Mapping[str, Any]) -> Body:
    """Return what a record without the list of what people gave may have of them: all that is not empty."""
    return {name: value for name, value in body.items() if value not in (None, [], {})}


def extension(filename: str) -> str | None:
    """Return the extension of a file name as records hold it, None without one."""
    return filename.rsplit(".", 1)[-1].lower()[:16] if "." in filename else None


def check_type_change(body: Mapping[str, Any], wanted: str, external_url: str | None) -> None:
    """Raise InvalidInput unless an asset may be of the type ``wanted``: its file's content decides, else its URL."""
    if not body.get("sha256"):
        if wanted in NEEDS_URL and not external_url:
            raise InvalidInput(
                f"An asset of type {wanted} needs external_url.", field="external_url", expected="an http(s) URL"
            )
        return
    mime_type = str(body.get("mime_type") or "")
    content = _TYPES_BY_MIME.get(mime_type) or _TYPES_BY_MIME.get(mime_type.partition("/")[0])
    allowed = {"other", body["type"]} | (_FILE_TYPES.get(content, frozenset({content})) if content else {"document"})
    if wanted not in allowed:
        raise InvalidInput(
            f"The file's content is {mime_type}, not of the type {wanted}.",
            field="type",
            provided=wanted,
            expected=" or ".join(sorted(allowed)),
        )


_TYPES_BY_MIME = {"application/pdf": "pdf", "image": "image", "video": "video", "audio": "audio", "text": "text"}


def check_new(given: AssetCreate, who: Principal, facts: Facts | None) -> None:
    """Check what :func:`new_record` will be given, before the file is stored. Raises as it does."""
    if any(name in given.model_fields_set for name in IMPORT_ONLY):
        who.allow("assets:import")
    _check_type(given, facts)
    split_tags(given.tags or [], who)


def _check_type(given: AssetCreate, facts: Facts | None) -> None:
    if facts is None:
        if given.type is None:
            raise InvalidInput(
                "An asset without a file needs a type.",
                field="type",
                expected="one of image, video, audio, text, link …",
            )
        if given.type in NEEDS_URL and not given.external_url:
            raise InvalidInput(
                f"An asset of type {given.type} needs external_url.", field="external_url", expected="an http(s) URL"
            )
        return
    if given.type is not None:
        check_content(given.type, facts)


def check_content(wanted: str, facts: Facts) -> None:
    """Raise InvalidInput unless a file may be called of the type ``wanted``."""
    allowed = _FILE_TYPES.get(facts.type, frozenset({facts.type})) | {"other"}
    if wanted not in allowed and facts.type != "other":
        raise InvalidInput(
            f"The file's content is {facts.mime_type}, not of the type {wanted}.",
            field="type",
            provided=wanted,
            expected=" or ".join(sorted(allowed)),
        )


def _complete(body: Body, metadata: dict[str, Any], tags: list[str], file: StoredFile) -> list[str]:
    """Fill in what the file says; return the tags. The caller is right about words, the file about technical facts."""
    put, facts = file.put, file.facts
    for name, value in _words(facts).items():
        if not body.get(name):
            body[name] = value
    for name, value in facts.metadata.items():
        if name in _TECHNICAL or name not in metadata:
            metadata[name] = value
    _storable(metadata)
    metadata["file_size"] = put.size
    body |= {"sha256": put.sha256, "md5": put.md5, "mime_type": facts.mime_type}
    body.setdefault("type", facts.type)
    body.setdefault("filename", short_filename(file.filename))
    body["ext"] = extension(body["filename"]) or facts.ext
    return list(dict.fromkeys([*tags, *_keywords(facts)]))[:_NAMES]


def _words(facts: Facts) -> dict[str, Any]:
    """Return the fields that a file fills in, as records hold them; what it does not say is absent."""
    found: dict[str, Any] = {}
    for name, most in _FROM_FILE.items():
        if value := getattr(facts, name):
            found[name] = value[:most] if isinstance(value, str) else value
    if "captured_at" in found:
        found["captured_at"] = normal_time(found["captured_at"])
    if creator := [name[:_NAME_LENGTH] for name in facts.creator[:_NAMES]]:
        found["creator"] = creator
    if people := [{"name": name[:_NAME_LENGTH]} for name in facts.people[:_PEOPLE]]:
        found["people"] = people
    if paths := [path[:_NAME_LENGTH] for path in facts.taxonomy[:_NAMES]]:
        found["taxonomy"] = paths
    return found


def _keywords(facts: Facts) -> list[str]:
    """Return a file's keywords as tags. A file is no admin: a leading star in them makes no admin tag."""
    return [tag for tag in (tag.lstrip("*")[:_NAME_LENGTH] for tag in facts.tags) if tag]


def _storable(metadata: dict[str, Any]) -> dict[str, Any]:
    """Make a file's metadata what every store holds, in place."""
    if "seed" in metadata:
        metadata["seed"] = stored_seed(metadata["seed"])
    return metadata


def _title(body: Mapping[str, Any]) -> str:
    """A title for an asset that has none: its file's name, made readable."""
    stem = str(body.get("filename") or "").rsplit(".", 1)[0]
    return re.sub(r"[_\s]+", " ", stem).strip()[:500] or f"Untitled {body.get('type') or 'asset'}"
