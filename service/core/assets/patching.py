"""What a patch makes of an asset: the fields that change, worked out from the record as it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from service.core.access.keys import Principal
from service.core.assets.records import check_type_change, extension, given_names, plain, slugify, split_tags
from service.errors import InvalidInput
from service.model import ASSET_FIELDS, AssetBody, AssetPatch
from service.ports.store import Change
from service.times import timestamp


def checked_patch(given: AssetPatch) -> dict[str, Any]:
    """Return the fields that a patch gives, as JSON. Raises InvalidInput for a null that clears what is required."""
    data = {name: value for name, value in plain(given).items() if name in AssetPatch.model_fields}
    for name, value in data.items():
        if value is None and ASSET_FIELDS[name].required:
            raise InvalidInput(f"{name} cannot be null.", field=name, expected="a value, or leave the field out")
    return data


def trashed(body: AssetBody, now: datetime) -> Change | None:
    """Move an asset to the trash; None if it is there."""
    return None if body.get("deleted_at") else Change(set={"deleted_at": timestamp(now)})


def patched(body: AssetBody, data: Mapping[str, Any], who: Principal, now: datetime) -> Change | None:
    """Work out what a patch does to an asset; None if nothing. Raises InvalidInput, NotAllowed."""
    held = cast("Mapping[str, Any]", body)  # its rows are those of the model, too
    new: dict[str, Any] = {}
    for name, value in data.items():
        match name:
            case "is_favorite":
                new |= _favorite(body, who.user_id, wanted=value)
            case "is_deleted":
                new["deleted_at"] = (body.get("deleted_at") or timestamp(now)) if value else None
            case "tags":
                new |= _tags(value or [], who)
            case "type":
                check_type_change(body, value, data.get("external_url", held.get("external_url")))
                new["type"] = value
            case "filename":
                new["filename"] = value
                if value and (ext := extension(value)):
                    new["ext"] = ext
            case _:
                new[name] = _changed(name, held.get(name), value)
    if new.get("title"):
        new["slug"] = slugify(new["title"])
    changed = {name: value for name, value in new.items() if body.get(name) != value}
    if not changed:
        return None
    if "given" in body and (names := given_names(_differing(held, data, new))):
        changed["given"] = sorted(names.union(body["given"]))
    kept = {name: value for name, value in changed.items() if value is not None}
    return Change(set=kept, unset=[name for name in changed if name not in kept])


def _differing(held: Mapping[str, Any], data: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a patch is not what the record holds: a client that sends back all it read gave only that."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        if name == "metadata" and value is not None:
            old = held.get("metadata") or {}
            if leaves := {leaf: given for leaf, given in value.items() if old.get(leaf) != given}:
                found[name] = leaves
        elif new.get(name, value) != held.get(name):
            found[name] = value
    return found


def _changed(name: str, held: Any, value: Any) -> Any:
    """Return what a field is after a patch, None for no field."""
    kept = ASSET_FIELDS[name]
    if value is None:
        return kept.nothing()
    return merged(held or {}, value) if kept.empty is dict else value


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Merge leaves as RFC 7396 does: null removes, an object is merged, anything else replaces."""
    result = dict(old)
    for name, value in new.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        else:
            result[name] = value
    return result


def _favorite(body: AssetBody, user_id: str, *, wanted: bool) -> dict[str, Any]:
    fans: list[str] = body.get("favorited_by") or []
    if (user_id in fans) == wanted:
        return {}
    stats = body["usage_stats"]
    step = 1 if wanted else -1
    return {
        "favorited_by": [*fans, user_id] if wanted else [fan for fan in fans if fan != user_id],
        "usage_stats": {**stats, "favorites": max(0, stats.get("favorites", 0) + step)},
    }


def _tags(tags: list[str], who: Principal) -> dict[str, Any]:
    split = split_tags(tags, who)
    # One who cannot see admin tags cannot drop them either.
    return {"tags": split.plain, "admin_tags": split.admin} if who.is_admin else {"tags": split.plain}
