"""Whatever the string: a compiled query or a fault inside of it, for work that grows as the text does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

import pytest

from mappings.field import STEMS_PATH
from mappings.fields import FOLD, REGISTRY, Field, FieldType, Visibility
from query.compile import compile_search
from query.dsl.words import BARE_FIELDS
from query.errors import REASONS, QueryError
from query.types import CompiledSearch, SearchRequest
from tests.support.examples import EXPLORING, examples
from tests.support.work import calls
from tests.unit.query.attacks import ATTACKS
from tests.unit.query.compiling import CALLER, NOW, names_in
from tests.unit.query.strings import strings

THREADS = 8
CALLS = 40_000
CALLS_A_CHARACTER = 100
"""What one string in one mode may cost: so many function calls, most of them to look for the names that the first five
unknown ones are like, and so many more for each of its characters. Seconds are for ``scripts/bench query --texts``."""
FORBIDDEN = frozenset(
    {"query_string", "simple_query_string", "regexp", "script", "script_score", "percolate", "more_like_this"}
)

_LEAVES = frozenset({"term", "terms", "range", "wildcard", "prefix", "fuzzy", "match", "match_phrase"})
_GEO = frozenset({"geo_distance", "geo_bounding_box"})
_CUSTOM = {f"{FOLD}.custom.{leaf}" for leaf in ("key", "keyword", "text", "number", "date")}
_SYSTEM = {"org_id", "deleted_at", STEMS_PATH}


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


def _compiled(text: str, *, lenient: bool) -> CompiledSearch | QueryError:
    try:
        return compile_search(SearchRequest(text=text, lenient=lenient), CALLER, NOW)
    except QueryError as error:
        return error


def _check(text: str, *, lenient: bool) -> None:
    """Compile one string and look at what comes out."""
    compiled = _compiled(text, lenient=lenient)
    for problem in compiled.problems if isinstance(compiled, QueryError) else compiled.warnings:
        assert problem.reason in REASONS
        assert 0 <= problem.offset <= problem.offset + problem.length <= len(text), (text, problem)
    if isinstance(compiled, QueryError):
        assert not lenient, (text, compiled.problems)
        return
    json.dumps(compiled.body).encode()
    assert FORBIDDEN.isdisjoint(names_in(compiled.body)), text
    query = compiled.body["query"]["bool"]
    assert query["filter"][0] == {"term": {"org_id": "org_a"}}, text
    for name, asked in fields_in({**query, "filter": query["filter"][1:]}):
        known = name in ALLOWED or name in BARE or name.startswith(OPEN) or (name, asked) == (FLAGS, "user_1")
        assert known, (text, name)
        assert name != "org_id", text


def _check_in_both_modes(texts: Iterable[str]) -> None:
    for text in texts:
        for lenient in (False, True):
            _check(text, lenient=lenient)


def _check_on_threads(texts: Sequence[str]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(_check_in_both_modes, [texts[at::THREADS] for at in range(THREADS)]))


def _costly(texts: Iterable[str]) -> list[tuple[int, str]]:
    """Return the strings that cost more than they may, with their calls."""
    return [
        (cost, text[:200])
        for text in texts
        for lenient in (False, True)
        if (cost := calls(partial(_compiled, text, lenient=lenient))) > CALLS + CALLS_A_CHARACTER * len(text)
    ]


def test_attacks() -> None:
    _check_on_threads(ATTACKS)


def test_attacks_cost_no_more_than_their_length() -> None:
    assert _costly(ATTACKS) == []


@pytest.mark.parametrize("signs", ["a ", "a OR ", "(", "title:(", "ab~ ", "tags:x ", '"a b" ', "{a TO ", "é", "-"])
def test_twice_the_length_is_at_most_about_twice_the_work(signs: str) -> None:
    """Also where the work is small beside what is allowed."""
    once, twice = (calls(partial(_compiled, signs * (size // len(signs)), lenient=True)) for size in (2000, 4000))
    assert twice < 2.5 * once + CALLS, (once, twice)


def test_generated_strings() -> None:
    _check_on_threads(list(islice(strings(seed=4000), examples(4000))))


def test_generated_strings_cost_no_more_than_their_length() -> None:
    assert _costly(islice(strings(seed=4001), examples(1500))) == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_tens_of_thousands_of_strings() -> None:
    """40,000, or 200,000 with HYPOTHESIS_PROFILE=explore."""
    source = strings(seed=200_000)
    for _ in range(20 if EXPLORING else 4):
        _check_on_threads(list(islice(source, 10_000)))
