"""What bulk work makes of one asset: the rules of a single change, with edits of lists and texts around texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from service.core.access.keys import Principal
from service.core.assets.patching import checked_patch, patched, trashed
from service.core.bulk.requests import (
    BulkCollections,
    BulkDelete,
    BulkFavorites,
    BulkRequest,
    BulkUpdate,
    BulkUpdates,
    ListEdit,
)
from service.core.operations.changes import Answer, Fail, Skip
from service.errors import InvalidInput, NotAllowed
from service.model import AssetBody, Names, Prose, Title
from service.ports.store import Change, Record

T = TypeVar("T")

UNCHANGED = Skip("unchanged", "It is so already.")

_TITLE: TypeAdapter[str] = TypeAdapter(Title)
_PROSE: TypeAdapter[str] = TypeAdapter(Prose)
_NAMES: TypeAdapter[list[str]] = TypeAdapter(Names)

Rule = Callable[[AssetBody, Principal, datetime], Change | None]
"""What an operation makes of an asset, None for nothing. Raises InvalidInput, NotAllowed."""


def updating(updates: BulkUpdates) -> Rule:
    """Return the rule of a bulk update."""
    constant = {name: value for name, value in checked_patch(updates).items() if name not in _EDITS}

    def rule(body: AssetBody, who: Principal, now: datetime) -> Change | None:
        data = {**constant}
        for name in _LISTS:
            edit = getattr(updates, name)
            if isinstance(edit, ListEdit):
                data[name] = _fitting(name, _NAMES, edit.of(_seen(body, name, who)))
            elif name in updates.model_fields_set:
                data[name] = edit
        if (prefix := updates.title_prefix) and not body["title"].startswith(prefix):
            data["title"] = _fitting("title", _TITLE, prefix + body["title"])
        description = str(body.get("description") or "")
        if (suffix := updates.description_suffix) and not description.endswith(suffix):
            data["description"] = _fitting("description", _PROSE, description + suffix)
        change = patched(body, data, who, now)
        if change is None or "slug" not in change.set:
            return change
        # Many assets may come to the same title: the number makes each slug one of its own.
        return replace(change, set={**change.set, "slug": f"{change.set['slug']}-{body['number']}"})

    return rule


def collecting(edit: ListEdit) -> Rule:
    """Return the rule that puts assets into collections and takes them out."""
    return updating(BulkUpdates(collections=edit))


def favoring(collection: str | None, *, wanted: bool) -> Rule:
    """Return the rule that makes assets favourites of the one who asks, or no longer."""

    def rule(body: AssetBody, who: Principal, now: datetime) -> Change | None:
        data: dict[str, Any] = {"is_favorite": wanted}
        if collection is not None:
            edit = ListEdit(add=[collection]) if wanted else ListEdit(remove=[collection])
            data["collections"] = _fitting("collections", _NAMES, edit.of(body["collections"]))
        return patched(body, data, who, now)

    return rule


_LISTS = ("tags", "collections")
_EDITS = frozenset({*_LISTS, "title_prefix", "description_suffix"})


def _seen(body: AssetBody, name: str, who: Principal) -> list[str]:
    """Return a list of an asset as the one who edits it sees it."""
    values: list[str] = cast("Mapping[str, Any]", body).get(name) or []
    return [*values, *body["admin_tags"]] if name == "tags" and who.is_admin else values


def _fitting(name: str, kind: TypeAdapter[T], value: T) -> T:
    """Return a value that an edit came to, checked as a single change is. Raises InvalidInput."""
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise InvalidInput(f"{name} would be too long.", field=name, expected="a shorter value") from error


def rule_of(request: BulkRequest) -> Rule:
    """Return what a request makes of an asset."""
    match request:
        case BulkUpdate():
            return updating(request.updates)
        case BulkCollections():
            return collecting(request.collections)
        case BulkFavorites():
            return favoring(request.collection, wanted=request.action == "add")
        case BulkDelete() if request.options.permanent_delete:
            return lambda body, who, now: Change()  # whatever it is, it goes
        case BulkDelete():
            return lambda body, who, now: trashed(body, now)


def answer_of(rule: Rule, record: Record, who: Principal, now: datetime) -> Answer:
    """Return what is to be done with an asset."""
    try:
        return rule(cast("AssetBody", record.body), who, now) or UNCHANGED
    except InvalidInput as error:
        return Fail("invalid", error.message)
    except NotAllowed as error:
        return Fail("not_allowed", error.message)
