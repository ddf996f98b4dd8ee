"""A scripted MongoDB that remembers: its writes are kept in memory and its reads find them, unless a script answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from service.adapters.mongo.schema import META, wanted_indexes
from service.ports.store import KINDS
from tests.support.mongo_server import Document, MongoServer, found

_MISSING = object()


class MongoMemory(MongoServer):
    """A primary with documents, by collection and ``_id``. It knows of queries what Assetry's reads by value ask."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: dict[str, dict[str, Document]] = {}

    def unconfirmed_write(self, command: str, collection: str, code: int = 64) -> None:
        """Apply the next write to a collection, and say that no majority confirmed it."""

        def answer(asked: Document) -> Document:
            done = self.apply(asked)
            if asked[command] != collection:  # not that one: the next
                self.script(command, answer)
                return done
            return {**done, "writeConcernError": {"code": code, "errmsg": "the secret words of the server"}}

        self.script(command, answer)

    def apply(self, command: Document) -> Document:
        """Carry out a command and return its reply."""
        name = next(iter(command))
        kept = self.documents.setdefault(command[name], {})
        match name:
            case "insert":
                return self._insert(command["insert"], kept, command["documents"])
            case "findAndModify":
                return _changed(kept, command)
            case _:
                return found(*(each for each in kept.values() if _matches(each, command.get("filter", {}))))

    def _healthy(self, name: str, command: Document) -> Document:
        reads = name == "find" and command["find"] in KINDS
        if reads or name in {"insert", "findAndModify"}:
            super()._healthy("insert", {"insert": META, "documents": [0]})  # time goes on
            return self.apply(command)
        return super()._healthy(name, command)

    def _insert(self, kind: str, kept: dict[str, Document], documents: list[Document]) -> Document:
        refused = []
        for place, document in enumerate(documents):
            if (pattern := _taken(kind, kept, document)) is None:
                kept[document["_id"]] = document
            else:
                refused.append({"index": place, "code": 11000, "errmsg": "taken", "keyPattern": pattern})
        done: Document = {"ok": 1, "n": len(documents) - len(refused)}
        return {**done, "writeErrors": refused} if refused else done


def _taken(kind: str, kept: Mapping[str, Document], new: Document) -> Document | None:
    """Return the keys of the unique index on which another document has the same values."""
    others = [each for each in kept.values() if each is not new]
    if any(each["_id"] == new["_id"] for each in others):
        return {"_id": 1}
    for index in wanted_indexes(kind) if kind in KINDS else ():
        values = {path: _at(new, path) for path, _ in index.keys}
        if index.unique and _MISSING not in values.values() and any(_matches(each, values) for each in others):
            return dict(index.keys)
    return None


def _changed(kept: dict[str, Document], command: Document) -> Document:
    document = next((each for each in kept.values() if _matches(each, command["query"])), None)
    if document is None and command.get("upsert"):
        document = kept[command["query"]["_id"]] = {"_id": command["query"]["_id"]}
    if document is None:
        return {"ok": 1, "value": None, "lastErrorObject": {"n": 0}}
    update = command["update"]
    for path, value in update.get("$set", {}).items():
        _put(document, path, value)
    for path in update.get("$unset", {}):
        _put(document, path, _MISSING)
    for path, step in update.get("$inc", {}).items():
        before = _at(document, path)
        _put(document, path, step + (0 if before is _MISSING else before))
    return {"ok": 1, "value": document, "lastErrorObject": {"n": 1}}


def _matches(document: Document, query: Mapping[str, Any]) -> bool:
    return all(
        all(_matches(document, part) for part in wanted) if path == "$and" else _meets(_at(document, path), wanted)
        for path, wanted in query.items()
    )


def _meets(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, Mapping):
        return bool(value == wanted)
    checks: dict[str, Callable[[Any], bool]] = {
        "$eq": lambda given: value == given,
        "$in": lambda given: value in given,
        "$ne": lambda given: value != given,
        "$exists": lambda given: (value is not _MISSING) == given,
        "$type": lambda given: value is not _MISSING,
        "$not": lambda given: not _meets(value, given),
        "$lte": lambda given: value is not _MISSING and value <= given,
        "$gt": lambda given: value is not _MISSING and value > given,
    }
    return all(checks[operator](given) for operator, given in wanted.items())


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(document, Mapping) or name not in document:
            return _MISSING
        document = document[name]
    return document


def _put(document: Document, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        document = document.setdefault(name, {})
    if value is _MISSING:
        document.pop(last, None)
    else:
        document[last] = value


@contextmanager
def mongo_memory() -> Iterator[MongoMemory]:
    """Run a server that remembers."""
    server = MongoMemory()
    server.start()
    try:
        yield server
    finally:
        server.stop()
