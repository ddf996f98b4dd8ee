"""Whatever the text: a compiled query or a fault inside of it, and nothing escapes."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.fields import REGISTRY
from query.compile import compile_text
from query.errors import REASONS, QueryError
from query.examples import SECTIONS
from query.language.limits import LIMITS
from query.render import render
from query.types import CompiledSearch
from tests.support.examples import examples
from tests.unit.query.compiling import ADMIN, CALLER, NOW, names_in, search

_EXAMPLES = [example.query for section in SECTIONS for example in section.examples]
_PIECES = [
    "a",
    "mountain",
    "12",
    "2024-01-01",
    "now",
    " ",
    " ",
    " AND ",
    " OR ",
    " NOT ",
    "TO",
    "&&",
    "||",
    "!",
    "+",
    "-",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    '"',
    "“",
    "”",
    ":",
    "*",
    "?",
    "~",
    "~1",
    "~0.8",
    "^2",
    "^",
    "\\",
    "/",
    ">=",
    "<",
    "title:",
    "tags:",
    "width:",
    "created_at:",
    "people:",
    "name:",
    "custom.x:",
    "exif.a:",
    "is:",
    "near:",
    "foo:",
    "org_id:",
    "a:(^",
    "a*/.*.*/",
    'a" "internal:x" b"',
    "intern\\al:x",
    "[* TO *]",
    "\x00",
    "\ud800",
    "😀",
    "İ",
]
_TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(_PIECES), max_size=60).map("".join),
    st.tuples(st.sampled_from(_EXAMPLES), st.integers(0, 200), st.sampled_from(_PIECES)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
    ),
)
_FORBIDDEN = frozenset({"query_string", "simple_query_string", "regexp", "script", "percolate", "more_like_this"})
_PATHS = frozenset(path for f in REGISTRY.walk() for path in (f.path, f.keyword_path, f.text_path) if path)


@settings(max_examples=examples(3000), deadline=None)
@given(_TEXTS)
def test_strict_compiles_or_points_into_the_text(text: str) -> None:
    try:
        compiled = search(text)
    except QueryError as error:
        problem = error.problem
        assert problem.reason in REASONS
        assert 0 <= problem.offset <= problem.offset + problem.length <= len(text)
        return
    json.dumps(compiled.body).encode()
    assert _FORBIDDEN.isdisjoint(names_in(compiled.body))
    assert compiled.body["query"]["bool"]["filter"][0] == {"term": {"org_id": "org_a"}}


@settings(max_examples=examples(3000), deadline=None)
@given(_TEXTS)
def test_lenient_always_compiles(text: str) -> None:
    compiled = search(text, lenient=True)
    assert _FORBIDDEN.isdisjoint(names_in(compiled.body))
    assert compiled.body["query"]["bool"]["filter"][0] == {"term": {"org_id": "org_a"}}
    for warning in compiled.warnings:
        assert 0 <= warning.offset <= warning.offset + warning.length <= len(text)


@settings(max_examples=examples(3000), deadline=None)
@given(_TEXTS)
def test_normalised_text_gives_equal_clauses(text: str) -> None:
    clause, _ = compile_text(text, ADMIN, NOW, lenient=True)
    shown = render(clause)
    if len(shown) <= LIMITS.characters:
        assert compile_text(shown, ADMIN, NOW)[0] == clause


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["title", "tags", "custom.x", "exif.y", "model", "filename"]))
def test_a_quoted_value_is_that_value(value: str, name: str) -> None:
    if not value.strip() or any("\ud800" <= sign <= "\udfff" for sign in value):
        return
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    clause, warnings = compile_text(f'{name}:"{escaped}"', CALLER, NOW)
    assert warnings == ()
    assert getattr(clause, "text", None) == value or getattr(clause, "value", None) == value


@settings(max_examples=examples(1000), deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["type", "width", "title", "created_at", "is_favorite", "people", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["gte", "lt", "not", "exists", "any", "all", "z"]), inner, max_size=2)
            ),
            max_leaves=5,
        ),
        max_size=3,
    )
)
def test_filters_compile_or_name_their_key(filters: dict[str, object]) -> None:
    try:
        compiled: CompiledSearch | None = search(filters=filters, facets=["type"])
        found = ("", "")
    except QueryError as error:
        found = (error.field, error.key)
        compiled = None
    if compiled is None:
        assert found[0] == "filters"
        assert found[1] in filters
        return
    assert _FORBIDDEN.isdisjoint(names_in(compiled.body))


def test_every_path_of_a_body_is_of_the_registry() -> None:
    system = {"org_id", "deleted_at", "fold.words", "fold.stems", "number", "created_at"}
    for text in _EXAMPLES:
        for key in names_in(search(text).body["query"]):
            if "." in key or key in {"title", "gps"}:
                assert any(key == path or key.startswith(f"{path}.") for path in _PATHS | system), key
