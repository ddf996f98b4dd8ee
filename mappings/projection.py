"""The derived part of a search document: `fold`, a pure function of the record.

`indexer.documents` adds `fold_object(record)` to the record's own fields; queries need nothing else to be computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mappings.analysis import BOUNDARY, FILENAME, WORDS, index_text
from mappings.field import Field, FieldType
from mappings.fields import REGISTRY
from mappings.folding import fold_key, fold_keyword, fold_path, fold_sort
from mappings.stemming import stems_of

OPEN_LEAVES = 512  # leaves of one open object that are indexed; the others stay readable in the record
_OPEN_DEPTH = 8
_PATH_DEPTH = 32  # ancestors of a path that are indexed
_UNSIGNED = 2**64
_MAX_OFFSET = timedelta(hours=18)  # of a time zone in Java; Python allows up to a day, and fractions of a second
_OBJECT = (dict, Mapping)  # dict comes first: the check by exact type is ten times as fast

Record = Mapping[str, Any]


def projection_paths() -> dict[str, FieldType]:
    """Return the record's paths with a folded twin at `fold.<path>`, and the type of each field."""
    return {f.name: f.type for f in REGISTRY.walk() if f.folded}


_Fold = Callable[[str], str]


def _by_object(fields: Iterable[Field]) -> tuple[tuple[tuple[str, ...], dict[str, _Fold]], ...]:
    """Group the folds of fields by the object that contains them: ((path of the object, {name: fold}), …).

    Each object is then looked up once, and only its own keys are examined: this is where an indexer spends its time.
    """
    found: dict[tuple[str, ...], dict[str, _Fold]] = {}
    for field in fields:
        *parents, leaf = field.name.split(".")
        found.setdefault(tuple(parents), {})[leaf] = fold_sort if field.type is FieldType.TEXT else fold_keyword
    return tuple(found.items())


_FOLDED = _by_object(f for f in REGISTRY.walk() if f.folded and not f.hierarchical)
_PATHS = tuple(tuple(f.name.split(".")) for f in REGISTRY.walk() if f.hierarchical)
_FLATS = tuple(tuple(f.name.split(".")) for f in REGISTRY.fields if f.type is FieldType.FLAT and f.name != "extra")
_NESTED = tuple(f for f in REGISTRY.fields if f.type is FieldType.NESTED)
_TEXTS = tuple(
    (tuple(f.name.split(".")), f.name, f.analysis, f.boost is not None)
    for f in REGISTRY.fields
    if f.type is FieldType.TEXT or f.boost is not None
)
_GATHERED = tuple(tuple(f.name.split(".")) for f in REGISTRY.walk() if f.gathered)
_METADATA = frozenset(f.name.partition(".")[2] for f in REGISTRY.walk() if f.name.startswith("metadata."))


def fold_object(record: Record) -> dict[str, Any]:
    """Return the value of `fold` for a record: folded keywords, sortable texts, open objects, custom fields, words."""
    fold = _leaves_of(record)
    collected = _Stems()
    for path in _PATHS:
        found = paths_of(_at(record, path))
        if found:
            _put(fold, path, found)
    _put_open(fold, record)
    for field in _NESTED:
        objects = [_nested(field, item) for item in _items(record.get(field.name)) if isinstance(item, _OBJECT)]
        if objects:
            fold[field.name] = objects
    custom = custom_values(_mapping(record.get("custom")))
    if custom:
        fold["custom"] = custom
    _put_texts(fold, record, collected)
    seed = _at(record, ("metadata", "seed"))
    if isinstance(seed, str) and seed.isascii() and seed.isdecimal():
        seed = int(seed)  # records store numbers of 2^63 and above as text
    if isinstance(seed, int) and 0 <= seed < _UNSIGNED:
        _put(fold, ("metadata", "seed"), seed)
    words = list(dict.fromkeys(_words(record, custom)))
    if words:
        fold["words"] = words
    collected.add_others(words, custom)
    if collected.terms:
        fold["stems"] = " ".join(collected.terms)
    return fold


class _Stems:
    """The stems of a record's words, each once: as they are where bare words look, and as `field|stem`."""

    def __init__(self) -> None:
        self.terms: dict[str, None] = {}

    def add(self, words: str, field: str = "", *, bare: bool = True) -> None:
        """Add the words of an analysed text: for searches in `field`, and for bare words unless not `bare`."""
        found = dict.fromkeys(stems_of(words.split(" ")))
        found.pop(BOUNDARY, None)
        if field:
            begin = field_stem(field, "")
            self.terms.update(dict.fromkeys([begin + stem for stem in found]))
        if bare:
            self.terms.update(found)

    def add_others(self, words: Iterable[str], custom: Iterable[Mapping[str, Any]]) -> None:
        """Add the gathered words, and the texts of custom fields."""
        for text in words:
            self.add(text)
        for entry in custom:
            if "text" in entry:
                self.add(entry["text"], f"custom.{entry['key']}", bare=False)


def field_stem(field: str, stem: str) -> str:
    """Return the term by which a stem is found in one field."""
    return f"{field}{BOUNDARY}{stem}"


def _put_texts(fold: dict[str, Any], record: Record, found: _Stems) -> None:
    """Add the words of texts, and of keywords that bare words search."""
    texts: dict[str, Any] = {}
    for path, name, analysis, bare in _TEXTS:
        value = record.get(path[0]) if len(path) == 1 else _at(record, path)
        if value is None:
            continue
        written = [_text_of(item) for item in _items(value)]
        words = [index_text(text, analysis) for text in written]
        for text in words:
            found.add(text, name, bare=bare)
        if bare and analysis == FILENAME:
            for text in written:
                found.add(index_text(text, WORDS))
        if words:
            _put(texts, path, words[0] if len(words) == 1 else words)
    if texts:
        fold["text"] = texts


def _leaves_of(record: Record) -> dict[str, Any]:
    """Return the folded twins of keywords and texts."""
    fold: dict[str, Any] = {}
    for parents, leaves in _FOLDED:
        values = _mapping(_at(record, parents))
        found = {
            leaf: way(value) if isinstance(value, str) else _folded(value, way)
            for leaf, value in values.items()
            if value is not None and (way := leaves.get(leaf)) is not None
        }
        if not parents:
            fold |= found
        elif found:
            _put(fold, parents, found)
    return fold


def _put_open(fold: dict[str, Any], record: Record) -> None:
    """Add the leaves of the open objects, and those leaves of metadata that have no type."""
    for path in _FLATS:
        leaves = open_leaves(_at(record, path))
        if leaves:
            _put(fold, path, leaves)
    extra = open_leaves({k: v for k, v in (_mapping(record.get("metadata"))).items() if k not in _METADATA})
    if extra:
        fold["extra"] = extra


def paths_of(value: Any) -> list[str]:
    """Return the folded paths of one or more values, with all of their ancestors: `A/b` gives `a` and `a/b`."""
    found: dict[str, None] = {}
    for item in _items(value):
        parts = fold_path(_text_of(item)).split("/")
        for count in (*range(1, min(len(parts), _PATH_DEPTH)), len(parts)):
            found["/".join(parts[:count])] = None
    found.pop("", None)
    return list(found)


def open_leaves(value: Any) -> dict[str, Any]:
    """Return an open object as {folded key: folded value or values}, with nested keys joined by dots."""
    found: dict[str, list[str]] = {}
    for key, leaf in _leaves(value, "", 0):
        if key not in found and len(found) >= OPEN_LEAVES:
            break
        found.setdefault(key, []).append(leaf)
    return {key: leaves[0] if len(leaves) == 1 else leaves for key, leaves in found.items()}


def custom_values(custom: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an organization's custom fields as nested objects {key, kind, keyword, text, number, date}.

    Every value can be compared as a keyword; strings also as texts, numbers as numbers, ISO dates as dates.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}  # each value once: a facet counts a record once
    for name, value in custom.items():
        key = fold_key(name)
        if key:
            for item in _items(value):
                if not isinstance(item, _OBJECT):
                    entry = _custom(key, item)
                    found.setdefault((key, entry["kind"], entry["keyword"]), entry)
    return list(found.values())


def _custom(key: str, value: Any) -> dict[str, Any]:
    shown = _text_of(value)
    entry: dict[str, Any] = {"key": key, "keyword": fold_keyword(shown)}
    if isinstance(value, bool):
        return {**entry, "kind": "boolean"}
    if isinstance(value, int | float):
        return {**entry, "kind": "number", "number": float(value)} if _finite(value) else {**entry, "kind": "text"}
    date = _iso_date(shown)
    if date is not None:
        return {**entry, "kind": "date", "date": date, "text": index_text(shown)}
    return {**entry, "kind": "text", "text": index_text(shown)}


def _nested(field: Field, item: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in field.children:
        leaf = child.name.rpartition(".")[2]
        value = item.get(leaf)
        if value is not None:
            found[leaf] = _nested_value(child, value)
    return found


def _nested_value(child: Field, value: Any) -> Any:
    if child.type is FieldType.KEYWORD:
        return _folded(value, fold_keyword)
    if child.type is FieldType.TEXT:
        return index_text(value) if isinstance(value, str) else [index_text(_text_of(item)) for item in _items(value)]
    return value


def _words(record: Record, custom: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for path in _GATHERED:
        yield from (index_text(_text_of(item)) for item in _items(_at(record, path)))
    for person in _items(record.get("people")):
        if isinstance(person, _OBJECT) and isinstance(person.get("name"), str):
            yield index_text(person["name"])
    yield from (entry["text"] for entry in custom if "text" in entry)


def _leaves(value: Any, key: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):  # the most frequent case first
        if key:
            yield key, fold_keyword(value)
    elif isinstance(value, _OBJECT):
        if depth < _OPEN_DEPTH:
            for name, child in value.items():
                part = fold_key(str(name))
                if part:
                    yield from _leaves(child, f"{key}.{part}" if key else part, depth + 1)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from _leaves(child, key, depth)
    elif value is not None and key:
        yield key, fold_keyword(_text_of(value))


def _folded(value: Any, fold: _Fold) -> Any:
    if isinstance(value, str):
        return fold(value)
    if isinstance(value, list | tuple):
        # Two spellings of a value are one value, so that a facet counts a record once.
        return list(dict.fromkeys([fold(_text_of(item)) for item in value if item is not None]))
    return fold(_text_of(value))


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _iso_date(text: str) -> str | None:
    """Return an ISO 8601 date or time in a form that the engine reads; None for everything else."""
    if len(text) < len("2024-01-01") or text[4:5] != "-":
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    offset = parsed.utcoffset() or timedelta()
    if abs(offset) <= _MAX_OFFSET and not offset.microseconds:
        return parsed.isoformat()
    try:
        return parsed.astimezone(UTC).isoformat()
    except OverflowError:
        return None


def _at(record: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(record, _OBJECT):
            return None
        record = record.get(name)
    return record


def _put(target: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *parents, leaf = path
    for name in parents:
        target = target.setdefault(name, {})
    target[leaf] = value


def _items(value: Any) -> list[Any]:
    if value is None:
        return []
    return [item for item in value if item is not None] if isinstance(value, list | tuple) else [value]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, _OBJECT) else {}
