"""What goes wrong in luqum and in other translators, each as a test that it does not here."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import query
from query.errors import QueryError
from tests.unit.query.compiling import clause, fault, names_in, normalised, search

SOURCES = sorted(Path(query.__file__ or "").parent.rglob("*.py"))


def test_threads_do_not_disturb_each_other() -> None:
    texts = [f"title:a{n} AND (tags:b{n} OR width:[{n} TO {n + 1}]) c{n}~1" for n in range(8)]
    expected = [normalised(text) for text in texts]
    wrong: list[str] = []

    def compile_often(at: int) -> None:
        wrong.extend(found for _ in range(60) if (found := normalised(texts[at])) != expected[at])

    threads = [threading.Thread(target=compile_often, args=(at,)) for at in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_only_the_safe_parser_is_used_and_only_here() -> None:
    users = {path.name for path in SOURCES if "luqum" in path.read_text() and "import" in path.read_text()}
    importing = {p.name for p in SOURCES for line in p.read_text().splitlines() if line.startswith("from luqum")}
    assert importing == {"parse.py", "resolve.py"}
    assert importing <= users
    assert "from luqum.thread import parse" in (Path(query.__file__ or "").parent / "language" / "parse.py").read_text()


@pytest.mark.parametrize("text", ["a^1.2.3", "a~..", '"a b"~1.5'])
def test_exceptions_that_escape_luqum_are_faults_with_a_span(text: str) -> None:
    problem, part = fault(text)
    assert problem.reason in {"boost", "fuzzy"}
    assert part


def test_a_regex_is_refused_not_dropped() -> None:
    assert fault("a OR /b/")[1] == "/b/"


def test_a_comparison_keeps_its_bound() -> None:
    assert normalised("width:>=5") == "metadata.width:[5 TO *]"
    assert normalised("width:>5") == "metadata.width:{5 TO *]"


def test_negative_bounds_and_values() -> None:
    assert normalised("width:[-5 TO 5]") == "metadata.width:[-5 TO 5]"
    assert normalised("width:>-5") == "metadata.width:{-5 TO *]"
    assert normalised("width:-5") == "metadata.width:-5"


def test_double_negation_is_none() -> None:
    assert clause("NOT NOT a") == clause("a")


def test_the_boost_of_a_group_stays() -> None:
    assert search("(a OR b)^3").body["query"]["bool"]["must"][0]["bool"]["boost"] == 3


def test_an_open_range_means_any_value() -> None:
    assert clause("width:[* TO *]") == clause("width:*")
    assert {"exists": {"field": "metadata.width"}} in search("width:[* TO *]").body["query"]["bool"]["filter"]


def test_quoted_bounds_lose_their_quotes() -> None:
    assert clause('created_at:["2024-01-01" TO "2024-01-31"]') == clause("created_at:[2024-01-01 TO 2024-01-31]")


def test_similarities_become_edits() -> None:
    assert normalised("mount~0.8") == "mount~1"  # 0.2 * 5 is below 1 in binary floating point
    assert normalised("mount~") == "mount~"


def test_escapes_are_undone_before_the_name_is_looked_up() -> None:
    assert normalised("ti\\tle:a\\:b") == "title:a\\:b"
    assert fault("org\\_id:x")[0].reason == "unknown_field"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a OR b AND c", "a OR (b c)"), ("a b OR c", "a (b OR c)"), ("a OR b c AND d", "(a OR b) c d")],
)
def test_mixed_operators_have_a_precedence(text: str, expected: str) -> None:
    assert normalised(text) == expected


def test_quotes_inside_words_end_them() -> None:
    assert normalised('a"b"c') == 'a "b" c'


def test_an_unbalanced_quote_does_not_echo_the_rest() -> None:
    problem, part = fault('a "' + "secret " * 20)
    assert part == '"'
    assert "secret" not in problem.message


def test_nothing_reaches_an_engine_parser() -> None:
    for text in ("ab*/.*.*/", "caf* OR /x", "title:ab*"):
        assert {"query_string", "simple_query_string", "regexp", "script"}.isdisjoint(names_in(search(text).body))


def test_dotted_names_that_are_unknown_do_not_pass() -> None:
    for text in ("metadata.nothing:x", "title.text:x", "tags.raw:x", "cost.nothing:1"):
        assert fault(text)[0].reason == "unknown_field"


def test_exact_clauses_do_not_score_and_pure_negation_sorts_by_date() -> None:
    body = search("tags:nature -blurry").body
    assert "must" not in body["query"]["bool"]
    assert list(body["sort"][0]) == ["created_at"]


def test_hyphens_and_plus_are_accepted_in_values() -> None:
    assert normalised("tags:nutrition-photo-selected") == "tags:nutrition-photo-selected"


def test_nothing_is_hidden_by_quotes() -> None:
    with pytest.raises(QueryError):
        clause('a" "internal:x" b"')


def test_depth_does_not_recurse() -> None:
    for text in ("(" * 4000, "NOT " * 1000 + "a", "-" * 4000 + "a", "a: -" * 900, "(-" * 1500, "a:(" * 1000):
        problem, _ = fault(text)
        assert problem.reason in {"limit", "syntax", "unknown_field"}
