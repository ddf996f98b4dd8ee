"""Whatever the string: a compiled query or a fault inside of it, in little time, on eight threads at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest

from mappings.fields import FOLD, REGISTRY, Field, FieldType, Visibility
from query.compile import compile_search
from query.dsl.words import BARE_FIELDS
from query.errors import REASONS, QueryError
from query.types import CompiledSearch, SearchRequest
from tests.unit.query.attacks import ATTACKS
from tests.unit.query.compiling import CALLER, NOW, names_in
from tests.unit.query.strings import strings

THREADS = 8
SECONDS = 0.05  # of processor time, for one string in one mode
FORBIDDEN = frozenset(
    {"query_string", "simple_query_string", "regexp", "script", "script_score", "percolate", "more_like_this"}
)

_LEAVES = frozenset({"term", "terms", "range", "wildcard", "prefix", "fuzzy", "match", "match_phrase"})
_GEO = frozenset({"geo_distance", "geo_bounding_box"})
_CUSTOM = {f"{FOLD}.custom.{leaf}" for leaf in ("key", "keyword", "text", "number", "date")}
_SYSTEM = {"org_id", "deleted_at"}


def _paths(field: Field) -> set[str]:
    return {path for path in (field.path, field.keyword_path, field.text_path) if path}


ALLOWED = {path for f in REGISTRY.walk() if f.visibility is Visibility.PUBLIC for path in _paths(f)} | _CUSTOM | _SYSTEM
FLAGS = REGISTRY.get("favorited_by").path
OPEN = tuple(f"{f.path}." for f in REGISTRY.fields if f.type is FieldType.FLAT)
BARE = {path.partition("^")[0] for path in BARE_FIELDS}


def fields_in(body: Any) -> Iterator[tuple[str, Any]]:
    """Yield every (field, what is asked of it) of a query, at any depth."""
    if isinstance(body, list):
        for part in body:
            yield from fields_in(part)
    elif isinstance(body, dict):
        for kind, part in body.items():
            if kind in _LEAVES:
                yield from part.items()
            elif kind in _GEO:
                yield from ((name, None) for name in part if name != "distance")
            elif kind == "exists":
                yield part["field"], None
            elif kind == "multi_match":
                yield from ((name.partition("^")[0], None) for name in part["fields"])
            else:
                if kind == "nested":
                    yield part["path"], None
                yield from fields_in(part)


def _check(text: str, *, lenient: bool) -> float:
    """Compile one string and look at what comes out; return the processor time that it took, in seconds."""
    compiled: CompiledSearch | None = None
    started = time.thread_time()
    try:
        compiled = compile_search(SearchRequest(text=text, lenient=lenient), CALLER, NOW)
        problems = compiled.warnings
    except QueryError as error:
        problems = error.problems
    took = time.thread_time() - started
    for problem in problems:
        assert problem.reason in REASONS
        assert 0 <= problem.offset <= problem.offset + problem.length <= len(text), (text, problem)
    if compiled is None:
        assert not lenient, (text, problems)
        return took
    json.dumps(compiled.body).encode()
    assert FORBIDDEN.isdisjoint(names_in(compiled.body)), text
    query = compiled.body["query"]["bool"]
    assert query["filter"][0] == {"term": {"org_id": "org_a"}}, text
    for name, asked in fields_in({**query, "filter": query["filter"][1:]}):
        known = name in ALLOWED or name in BARE or name.startswith(OPEN) or (name, asked) == (FLAGS, "user_1")
        assert known, (text, name)
        assert name != "org_id", text
    return took


def _hardest(texts: Sequence[str]) -> tuple[float, str]:
    """Check strings in both modes; return the longest time and whose it is.

    A string that took too long is timed again, so that a collection of garbage is not held against it.
    """
    slowest = (0.0, "")
    for text in texts:
        for lenient in (False, True):
            took = _check(text, lenient=lenient)
            if took > SECONDS:
                took = min(took, *(_check(text, lenient=lenient) for _ in range(5)))
            slowest = max(slowest, (took, text))
    return slowest


def _slowest(texts: Sequence[str]) -> tuple[float, str]:
    with ThreadPoolExecutor(THREADS) as pool:
        return max(pool.map(_hardest, [texts[at::THREADS] for at in range(THREADS)]))


def test_attacks() -> None:
    took, text = _slowest(ATTACKS)
    assert took < SECONDS, text[:200]


def test_four_thousand_strings() -> None:
    took, text = _slowest(list(islice(strings(seed=4000), 4000)))
    assert took < SECONDS, text[:200]


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_thousand_strings() -> None:
    source = strings(seed=200_000)
    took, text = 0.0, ""
    for _ in range(20):
        took, text = max((took, text), _slowest(list(islice(source, 10_000))))
    assert took < SECONDS, text[:200]
