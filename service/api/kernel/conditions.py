"""Entity tags and the conditional headers of RFC 9110 §13, for records and files alike.

A record's tag is ``"<rev>"``, or ``"<rev>-<more>"`` where what is shown changes with more than the record (the links in
an asset change with time): a change that expects a tag expects the rev in it. A file's tag names its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers

from service.api.kernel.errors import PreconditionFailed, quotable
from service.errors import InvalidInput
from service.ports.store import AnyRecord

_ITEM = re.compile(r'[ \t]*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)")?[ \t]*(?:,|$)', re.ASCII)
"""An element of a list of entity tags, with the comma behind it; elements may be empty (§5.6.1)."""

_REV = re.compile(r"([0-9]{1,15})(?:-.*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tag:
    """An entity tag: what stands between the quotes, and whether it is weak."""

    opaque: str
    weak: bool = False

    def __str__(self) -> str:
        return f'{"W/" * self.weak}"{self.opaque}"'


@dataclass(frozen=True, slots=True)
class Condition:
    """What ``If-Match`` or ``If-None-Match`` lists: tags, or anything at all (``*``)."""

    tags: tuple[Tag, ...] = ()
    anything: bool = False

    def matches(self, etag: str, *, weak: bool) -> bool:
        """Say whether the strong tag ``etag`` (with its quotes) is listed.

        A weak comparison (§8.8.3.2) takes no notice of ``W/``; by a strong one a weak tag matches nothing.
        """
        return self.anything or any(f'"{tag.opaque}"' == etag and (weak or not tag.weak) for tag in self.tags)

    @property
    def revs(self) -> frozenset[int]:
        """The revs of records that the strong tags name."""
        found = (_REV.fullmatch(tag.opaque) for tag in self.tags if not tag.weak)
        return frozenset(int(match[1]) for match in found if match)


def record_tag(rev: int, more: object = None) -> str:
    """Return the entity tag of a record."""
    return f'"{rev}"' if more is None else f'"{rev}-{more}"'


def condition(headers: Headers, name: str) -> Condition | None:
    """Read a conditional header, on however many lines it came; None without one. Raises InvalidInput."""
    lines = headers.getlist(name)
    if not lines:
        return None
    text = ", ".join(lines).strip(" \t")
    if text == "*":
        return Condition(anything=True)
    tags, at = [], 0
    while at < len(text):
        item = _ITEM.match(text, at)
        if item is None:
            raise InvalidInput(
                f"The {name} header must be * or a list of entity tags in double quotes.",
                field=name,
                provided=quotable(text),
                expected='"…", as the header ETag of an answer has it; several with commas between them; or *',
            )
        if item[2] is not None:
            tags.append(Tag(item[2], weak=bool(item[1])))
        at = item.end()
    return Condition(tuple(tags))


def is_unchanged(headers: Headers, etag: str) -> bool:
    """Say whether ``If-None-Match`` names what is there: the client has it (304). Raises InvalidInput.

    The comparison is weak (§13.1.2): proxies that compress make a tag weak and send that back.
    """
    given = condition(headers, "If-None-Match")
    return given is not None and given.matches(etag, weak=True)


def is_changed(headers: Headers, etag: str) -> bool:
    """Say whether ``If-Match`` names only what is not there: the client wants that, or nothing (412).

    Raises InvalidInput.
    """
    given = condition(headers, "If-Match")
    return given is not None and not given.matches(etag, weak=False)


async def expected_rev(headers: Headers, read: Callable[[], Awaitable[AnyRecord]]) -> int | None:
    """Return the rev at which a change may be made; None when any will do. Raises InvalidInput, and what ``read`` does.

    A use case expects one rev. Where ``If-Match`` lists several, ``read`` says which of them the record has now; a
    writer who is faster than the change then ends it as a conflict, as with one tag.
    """
    given = condition(headers, "If-Match")
    if given is None or given.anything:
        return None
    revs = given.revs
    if len(revs) == 1:
        return next(iter(revs))
    record = await read()
    if record.rev in revs:
        return record.rev
    sent = ", ".join(headers.getlist("If-Match"))
    message = f"The record has none of the entity tags in If-Match: it is at {record_tag(record.rev)} now."
    if any(tag.weak for tag in given.tags):
        message += " A weak tag (W/) never matches."
    raise PreconditionFailed(message, field="If-Match", provided=sent)
