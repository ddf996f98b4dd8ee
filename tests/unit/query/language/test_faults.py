"""What is wrong with texts: the reason, the part pointed at, and the way out."""

from __future__ import annotations

import pytest

from query.errors import REASONS
from query.language.limits import LIMITS
from tests.unit.query.compiling import ADMIN, CALLER, clause, fault, lenient, normalised, pointed, search

FAULTS: list[tuple[str, str, str, str | None]] = [
    # text, reason, part, suggestion
    ("(a", "syntax", "(", None),
    ("a)", "syntax", ")", None),
    ("a ()", "syntax", "()", None),
    ("a OR", "syntax", "OR", None),
    ("AND a", "syntax", "AND", None),
    ("a AND OR b", "syntax", "OR", None),
    ("(a OR) b", "syntax", "OR", None),
    ("a NOT", "syntax", "NOT", None),
    ('a "b', "syntax", '"', None),
    ("“a b", "syntax", "“", None),
    ("title:", "syntax", "title:", "title:*"),
    ("title: AND b", "syntax", "AND", None),
    ("title:(tags:)", "syntax", "tags:", "tags:*"),
    ("[a TO b]", "syntax", "[a TO b]", None),
    ("width:[1 to 2]", "syntax", "[", None),
    ("width:[1 TO 2", "syntax", "[", None),
    ("a]", "syntax", "]", None),
    ("width:>(1 OR 2)", "syntax", "(", None),
    ("a ~2", "syntax", "~2", None),
    ("^2", "syntax", "^2", None),
    ("a:(^", "syntax", "^", None),
    ("tags:(a OR type:b)", "syntax", "type:b", None),
    ("a^", "boost", "^", None),
    ("a^1.2.3", "boost", "^1.2.3", None),
    ("a^x", "boost", "^x", None),
    ("a^0", "boost", "a^0", None),
    ("a^101", "boost", "a^101", None),
    ("a~..", "fuzzy", "~..", None),
    ("a~3", "fuzzy", "a~3", "a~2"),
    ("a~1.5", "fuzzy", "a~1.5", "a~2"),
    ('"a b"~1.5', "fuzzy", "~1.5", None),
    ("/ab/", "unsupported", "/ab/", '"/ab/"'),
    ("title:/jo.n/", "unsupported", "/jo.n/", '"/jo.n/"'),
    ("width:5~", "unsupported", "5~", None),
    ("width:>5~", "unsupported", "~", None),
    ("ab*~", "unsupported", "ab*~", None),
    ("width:1*", "unsupported", "1*", "metadata.width:*"),
    ("description:[a TO b]", "unsupported", "[a TO b]", None),
    ("exif.iso:>5", "unsupported", ">5", None),
    ('tags:"a b"~3', "unsupported", '"a b"~3', None),
    ("is:>5", "unsupported", ">5", None),
    ("foo:bar", "unknown_field", "foo", None),
    ("a widht:5", "unknown_field", "widht", "width"),
    ("metadata.widht:5", "unknown_field", "metadata.widht", "metadata.width"),
    ("intern\\al:x", "unknown_field", "intern\\al", None),
    ('a" "internal:x" b"', "unknown_field", "internal", None),
    ("*:a", "unknown_field", "*:a", "*:*"),
    ("has:titel", "unknown_field", "titel", "title"),
    ("is:favorit", "unknown_field", "favorit", "is:favorite"),
    ("people:(nme:x)", "unknown_field", "nme", "name"),
    ("custom:x", "unknown_field", "x", None),
    ("width:abc", "wrong_type", "abc", None),
    ("width:1.5", "wrong_type", "1.5", None),
    ("width:99999999999999999999", "wrong_type", "99999999999999999999", None),
    ("seed:-1", "wrong_type", "-1", None),
    ("cost.amount:1e999", "wrong_type", "1e999", None),
    ("file_size:5parsec", "wrong_type", "5parsec", None),
    ("is_public:maybe", "wrong_type", "maybe", "is_public:true"),
    ("created_at:2024-02-30", "wrong_type", "2024-02-30", None),
    ("created_at:soon", "wrong_type", "soon", None),
    ("created_at:now-7x", "wrong_type", "now-7x", None),
    ('title:""', "wrong_type", '""', "missing:title"),
    ("near:here", "wrong_type", "here", None),
    ('near:"91,0 5km"', "wrong_type", '"91,0 5km"', None),
    ('near:"1,1 0km"', "wrong_type", '"1,1 0km"', None),
    ("width:[5 TO 1]", "wrong_range", "[5 TO 1]", "[1 TO 5]"),
    ("created_at:[2024-02 TO 2024-01]", "wrong_range", "[2024-02 TO 2024-01]", "[2024-01 TO 2024-02]"),
    ("model:[m TO a]", "wrong_range", "[m TO a]", "[a TO m]"),
    ('bounds:"1,2,3,4"', "wrong_range", '"1,2,3,4"', None),
    ("*ab", "wildcard", "*ab", None),
    ("a*", "wildcard", "a*", None),
    ("title:?ab", "wildcard", "?ab", None),
    ("filename:*", "", "", None),
    ("filename:*a", "wildcard", "*a", None),
    # hidden fields answer as unknown ones
    ("org_id:x", "unknown_field", "org_id", "user_id"),
    ("favorited_by:x", "unknown_field", "favorited_by", "favorites"),
    ("admin_tags:x", "unknown_field", "admin_tags", None),
    ("fold.title:x", "unknown_field", "fold.title", None),
]


@pytest.mark.parametrize(("text", "reason", "part", "suggestion"), [f for f in FAULTS if f[1]])
def test_fault(text: str, reason: str, part: str, suggestion: str | None) -> None:
    problem, at = fault(text)
    assert (problem.reason, at) == (reason, part)
    assert suggestion is None or problem.suggestion == suggestion
    assert problem.reason in REASONS
    assert problem.message.endswith(".") or problem.message.endswith("?")


@pytest.mark.parametrize("text", [f[0] for f in FAULTS])
def test_lenient_never_fails(text: str) -> None:
    shown, warnings = lenient(text)
    assert normalised(shown) == shown
    if text != "filename:*":
        assert warnings
        assert all(0 <= w.offset <= w.offset + w.length <= len(text) for w in warnings)


LENIENT: list[tuple[str, str]] = [
    ("mountain foo:bar", "mountain foo bar"),
    ("mountain width:abc", "mountain abc"),
    ("mountain AND", "mountain"),
    ("OR mountain", "mountain"),
    ("(mountain lake", "mountain lake"),
    ("mountain) lake", "mountain lake"),
    ('say "hello world', "say hello world"),
    ("title:", "title"),
    ("mountain^x lake~..", "mountain lake"),
    ("a^500", "a"),
    ("[a TO b] c", '"a b" c'),
    ("*ab cd", "ab cd"),
    ("width:[9 TO 1] x", "9 TO 1 x".replace("TO", "\\TO")),
    ("tags:(a OR foo:b)", "tags:a OR foo b".replace("foo b", "(foo b)")),
    ("people:(name:ann AND size:5)", "people name ann AND size 5".replace("AND", "\\AND")),
    ("is:wat mountain", "wat mountain"),
    ("/ab/", "\\/ab\\/"),
]


@pytest.mark.parametrize(("text", "expected"), LENIENT)
def test_lenient_takes_the_part_at_fault_as_text(text: str, expected: str) -> None:
    assert lenient(text)[0] == expected


def test_administrators_see_their_fields() -> None:
    assert normalised("admin_tags:x", ADMIN) == "admin_tags:x"


@pytest.mark.parametrize("word", ["and", "or", "not"])
def test_lower_case_operators_are_words_with_a_hint(word: str) -> None:
    text = f"mountain {word} lake"
    compiled = search(text)
    assert [(w.reason, pointed(w, text), w.suggestion) for w in compiled.warnings] == [
        ("lowercase_operator", word, word.upper())
    ]
    assert normalised(text) == text
    assert search(word).warnings == ()
    assert search(f"title:{word}").warnings == ()


LIMITED: list[tuple[str, str]] = [
    ("a " * 2049, "characters"),
    ("(" * 21 + "a" + ")" * 21, "depth"),
    ("NOT " * 21 + "a", "depth"),
    ("-" * 21 + "a", "depth"),
    ("-(" * 11 + "a" + ")" * 11, "depth"),
    (" ".join(f"module:t{n}" for n in range(257)), "clauses"),
    ("title:(" + " ".join(f"w{n}" for n in range(257)) + ")", "clauses"),
    (" ".join(f"w{n}" for n in range(200)), "clause_fields"),
    ("x" * 257, "word_characters"),
    ('"a b"~101', "slop"),
    (" ".join(f"title:ab{n}*" for n in range(9)), "wildcards"),
    (" ".join(f"title:ab{n}~" for n in range(11)), "fuzzies"),
]


@pytest.mark.parametrize(("text", "limit"), LIMITED, ids=[limit + str(at) for at, (_, limit) in enumerate(LIMITED)])
def test_past_a_limit(text: str, limit: str) -> None:
    problem, _ = fault(text)
    assert problem.reason == "limit"
    assert limit in problem.message
    assert f"{getattr(LIMITS, limit)}" in problem.message
    shown, warnings = lenient(text)
    assert "limit" in {w.reason for w in warnings}
    assert len(shown) <= len(text) * 2


AT_LIMIT: list[str] = [
    "(" * 20 + "a" + ")" * 20,
    "NOT " * 20 + "a",
    " ".join(f"module:t{n}" for n in range(256)),
    "tags:(" + " OR ".join(f"t{n}" for n in range(500)) + ")",
    "x" * 256,
    '"a b"~100',
    "a^100",
    " ".join(f"title:ab{n}*" for n in range(8)),
    " ".join(f"title:ab{n}~" for n in range(10)),
]


@pytest.mark.parametrize("text", AT_LIMIT, ids=range(len(AT_LIMIT)))
def test_at_a_limit(text: str) -> None:
    assert clause(text, CALLER) == clause(normalised(text))
