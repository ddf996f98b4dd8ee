"""What goes wrong in other translators and in the engines' own query parsers, each as a test that it does not here.

`test_query_luqum.py` has the faults of luqum itself, `tests/contracts/test_query_engine.py` what takes an engine.
"""

from __future__ import annotations

import importlib
import json
import threading
from decimal import Decimal
from typing import Any

import pytest

from mappings.fields import REGISTRY
from query.compile import read_facets
from query.errors import QueryError
from query.language.limits import LIMITS
from query.language.scan import Kind, scan
from tests.unit.query.compiling import ADMIN, clause, fault, lenient, names_in, normalised, search


def _filters(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = search(text).body["query"]["bool"]["filter"][1:]
    return found


def _must(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = search(text).body["query"]["bool"]["must"]
    return found


# luqum, seen from the DSL


class _Words:
    """The rules of another lexer."""

    tokens = ("WORD",)
    t_WORD = r"\w+"  # noqa: N815 - ply's way of naming rules
    t_ignore = " "

    def t_error(self, token: Any) -> None:
        token.lexer.skip(1)


def test_another_user_of_ply_changes_nothing() -> None:
    expected = normalised('title:a AND "b c"~2')
    importlib.import_module("ply.lex").lex(object=_Words())  # becomes ply's global lexer
    assert normalised('title:a AND "b c"~2') == expected
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(normalised('title:a AND "b c"~2')))
    thread.start()
    thread.join()
    assert seen == [expected]


def test_a_fuzzy_word_allows_edits_in_the_body() -> None:
    assert _must("mountain~")[0]["multi_match"]["fuzziness"] == "AUTO"
    assert _must("mountain~0.8")[0]["multi_match"]["fuzziness"] == 1
    assert "fuzziness" not in names_in(_must("mountain~0"))


def test_escapes_do_not_reach_the_body() -> None:
    assert _must("title:a\\:b")[0]["bool"]["should"] == [{"match": {"fold.text.title": {"query": "a b"}}}]
    assert _filters('tags:"50\\" \\\\ x"') == [{"term": {"fold.tags": '50" \\ x'}}]
    assert _filters("ta\\gs:a\\*") == [{"term": {"fold.tags": "a*"}}]


def test_words_of_analysed_fields_are_analysed() -> None:
    for field in REGISTRY.bare():
        name = field.name
        (query,) = _must(f"{name}:Mountain") if field.type == "text" else _filters(f"{name}:Mountain")
        assert ("match" in set(names_in(query))) == (field.type == "text")


def test_a_boost_of_a_group_of_values_stays() -> None:
    assert _must("title:(a OR b)^2")[0]["bool"]["boost"] == 2


def test_the_operator_of_words_side_by_side_is_always_and() -> None:
    assert normalised("a b OR c d") == "a (b OR c) d"
    assert normalised("a OR b c") == "(a OR b) c"


def test_required_and_excluded_words_mix_with_operators() -> None:
    assert normalised("+a b -c OR d") == "a b (NOT c OR d)"


def test_signs_for_operators_are_operators() -> None:
    assert normalised("a && b || !c") == normalised("a AND b OR NOT c")


def test_odd_numbers_never_escape_as_exceptions() -> None:
    for number in ("1.2.3", "..", "1e5", "٣", "-1", "+1", "NaN", "Infinity", "1" * 400, f"{Decimal('1e-400')}"):
        for text in (f"a^{number}", f"a~{number}", f'"a b"~{number}', f"(a)^{number}"):
            lenient(text)
            try:
                clause(text)
            except QueryError as error:
                assert error.problem.length  # noqa: PT017


def test_long_lists_are_one_clause_and_longer_ones_a_limit() -> None:
    assert len(_filters("tags:(" + " OR ".join(f"t{n}" for n in range(400)) + ")")) == 1
    values = [f"t{n}" for n in range(1025)]
    with pytest.raises(QueryError, match="list_values"):
        search(filters={"tags": values})


def test_a_list_of_ten_thousand_words_is_refused_before_it_is_parsed() -> None:
    assert fault(" OR ".join("a" for _ in range(10_000)))[0].reason == "limit"


# Search services that translate with it


def test_hyphens_and_plus_signs_are_no_syntax_errors() -> None:
    assert _filters("tags:nutrition-photo-selected") == [{"term": {"fold.tags": "nutrition-photo-selected"}}]
    assert _filters("tags:a+b") == [{"term": {"fold.tags": "a+b"}}]


def test_a_lone_star_and_a_fuzzy_word_compile() -> None:
    assert normalised("*") == "*:*"
    assert normalised("foo~") == "foo~"


def test_a_prefix_without_a_field_needs_no_query_string() -> None:
    body = search("choc*").body
    assert {"default_field", "query_string"}.isdisjoint(names_in(body))


def test_the_presence_of_a_hidden_field_can_not_be_asked() -> None:
    for text in ("_exists_:org_id", "has:org_id", "missing:favorited_by", "has:admin_tags", "org_id:*"):
        assert fault(text)[0].reason == "unknown_field"
    assert search("has:admin_tags", ADMIN)


def test_quotes_hide_no_clause_from_the_allow_list() -> None:
    problem, part = fault('a" "internal:x" b"')
    assert (problem.reason, part) == ("unknown_field", "internal")


def test_an_escaped_name_is_looked_up_unescaped() -> None:
    assert fault("intern\\al:x")[0].reason == "unknown_field"
    assert fault("favorited\\_by:x")[0].reason == "unknown_field"


def test_a_mistyped_field_is_no_text_unless_lenient() -> None:
    assert fault("widht:5")[0].suggestion == "width"
    assert lenient("widht:5")[1][0].reason == "unknown_field"


def test_a_wrong_value_is_a_fault_with_its_place() -> None:
    problem, part = fault("lake width:wide")
    assert (problem.reason, part) == ("wrong_type", "wide")


def test_each_facet_honours_the_selections_of_the_others() -> None:
    aggs = search(filters={"type": "image", "status": "completed"}, facets=["type", "status"]).body["aggs"]
    assert aggs["facet0"]["filter"] == {"bool": {"filter": [{"term": {"fold.status": "completed"}}]}}
    assert aggs["facet1"]["filter"] == {"bool": {"filter": [{"term": {"fold.type": "image"}}]}}


def test_every_sort_ends_in_a_unique_key() -> None:
    for sort in ("", "title", "-created_at,title", "relevance", "number"):
        assert list(search("a", sort=sort).body["sort"][-1]) == ["number"]


def test_pages_are_checked() -> None:
    pages: tuple[dict[str, Any], ...] = ({"offset": -1}, {"limit": -1}, {"offset": 10_001}, {"limit": 101})
    for more in pages:
        with pytest.raises(QueryError):
            search("a", **more)


def test_an_answer_without_a_facet_is_read() -> None:
    assert read_facets(search(facets=["type"]), {}) == {"type": {}}


def test_every_search_has_a_time_limit() -> None:
    assert search("a").body["timeout"] == "5s"


# Parsers of the engines


def test_identifiers_with_slashes_are_words() -> None:
    assert normalised("10.5281/zenodo.1") == "10.5281/zenodo.1"
    assert [token.kind for token in scan("foo/bar/baz")] == [Kind.WORD]
    assert _must("foo/bar/baz")[0]["bool"]["should"][0]["multi_match"]["query"] == "foo bar baz"


def test_or_binds_looser_than_and() -> None:
    assert normalised("a OR b AND c") == "a OR (b c)"


def test_a_word_may_stand_in_any_field() -> None:
    assert [query["bool"]["must"][0]["term"]["fold.stems"]["value"] for query in _must("dawn nature")] == [
        "dawn",
        "natur",
    ]


@pytest.mark.parametrize("text", ["(" * 3000, "(" * 15_000 + "a" + ")" * 15_000, "(" * 2000 + "a" + ")" * 2000])
def test_deep_brackets_never_reach_an_engine(text: str) -> None:
    assert fault(text)[0].reason == "limit"


def test_the_deepest_body_is_shallow_for_the_engine() -> None:
    text = "a"
    for level in range(LIMITS.depth // 2):
        text = f"NOT (x{level} OR b ({text}))" if level < 5 else f"(x{level} OR (b{level} AND {text}))"
    depth = at = 0
    for sign in json.dumps(search(text, lenient=True).body):
        at += (sign in "[{") - (sign in "]}")
        depth = max(depth, at)
    assert depth < 200


def test_a_huge_fuzzy_word_is_refused() -> None:
    assert "word_characters" in fault("x" * 4000 + "~")[0].message


def test_many_wildcards_are_refused() -> None:
    assert fault(" ".join(f"ab{n}*xy*" for n in range(50)))[0].reason == "limit"
    assert fault("*xy*")[0].reason == "wildcard"
    assert fault("x*")[0].reason == "wildcard"


def test_words_times_fields_stay_below_the_engine_s_limit() -> None:
    assert fault(" OR ".join(f"w{n}" for n in range(200)))[0].reason == "limit"


# Readers that repair


def test_the_repair_of_a_broken_text_ends() -> None:
    for text in ("a:(^", "a:(^" * 500, "title:(~", '"', "“", "((((", "a:b:c:d:", "NOT NOT NOT", "[[[[", "~~~~^^^^"):
        lenient(text)


def test_typographic_quotes_are_quotes() -> None:
    assert normalised("“a b”") == normalised('"a b"') == '"a b"'


def test_a_problem_says_how_to_fix_it() -> None:
    for text, words in (("(a", "Add )"), ('a "b', "Close it"), ("title:", "title:*"), ("a OR", "a term after it")):
        assert words in fault(text)[0].message
