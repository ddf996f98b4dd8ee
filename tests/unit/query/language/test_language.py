"""What texts mean: each is compared by its normalised form, which names, types and units are settled in."""

from __future__ import annotations

import json

import pytest

from query.clauses import All, And, Fuzzy, In, Match, Nested, Not, Or, Phrase
from query.docs import render_syntax
from query.errors import REASONS
from query.examples import FACETS, FILTERS, SECTIONS, SORTS
from query.facets.request import parse_facets
from query.language.flags import FLAGS
from query.language.limits import WORDING
from tests.unit.query.compiling import clause, normalised, search

MEANINGS: list[tuple[str, str]] = [
    # words, phrases
    ("", "*:*"),
    ("   ", "*:*"),
    ("*", "*:*"),
    ("*:*", "*:*"),
    ("mountain landscape", "mountain landscape"),
    ('"exact phrase"', '"exact phrase"'),
    ('"exact phrase"~3', '"exact phrase"~3'),
    ("“exact phrase” „a b“ «c d»", '"exact phrase" "a b" "c d"'),
    ("& mountain - lake !", "mountain lake"),
    ("&", '""'),
    ("NOT &", '""'),
    ("-", '""'),
    ('""', '""'),
    ("!!! …", '""'),
    ("rock & roll", "rock roll"),
    ("★", "\\★"),
    ("   ", "*:*"),
    ("a OR &", "a"),
    # precedence
    ("a b OR c", "a (b OR c)"),
    ("a OR b c", "(a OR b) c"),
    ("a OR b AND c", "a OR (b c)"),
    ("a AND b OR c AND d", "(a b) OR (c d)"),
    ("NOT a AND b", "NOT a b"),
    ("NOT a b", "NOT a b"),
    ("-a OR b", "NOT a OR b"),
    ("a && b || !c", "(a b) OR NOT c"),
    ("a&&b", "a b"),
    ("+a -b", "a NOT b"),
    ("NOT NOT a", "a"),
    ("NOT (a OR b)", "NOT (a OR b)"),
    ("-(a b)", "NOT (a b)"),
    ("((a))", "a"),
    ("(a b) c", "a b c"),
    ("AND2 ORacle NOTe", "AND2 ORacle NOTe"),
    # literal signs
    ("fair-trade", "fair-trade"),
    ("C++", "C++"),
    ("12:30", "12\\:30"),
    ("10.5281/zenodo.1", "10.5281/zenodo.1"),
    ("foo/bar/baz", "foo/bar/baz"),
    ("http://a.b/c?d=1", "http\\:\\/\\/a.b\\/c\\?d\\=1"),
    ("it's 'tis", "it's \\'tis"),
    ("a~b ~/home", "a\\~b \\~\\/home"),
    ("TO", "\\TO"),
    ("\\AND", "\\AND"),
    ("a\\:b", "a\\:b"),
    ("a\\", "a\\\\"),
    # fields and aliases
    ("title:mountain", "title:mountain"),
    ("TITLE:mountain", "title:mountain"),
    ("title: mountain", "title:mountain"),
    ("tit\\le:x", "title:x"),
    ("width:800", "metadata.width:800"),
    ("downloads:>5", "usage_stats.downloads:{5 TO *]"),
    ("author:x", "creator:x"),
    ("exif.FNumber:2.0", "metadata.exif.fnumber:2.0"),
    ("Custom.Colour:Red", "custom.colour:Red"),
    ("external_url:https://a.b/c", "external_url:https\\:\\/\\/a.b\\/c"),
    ('title:"a b"', 'title:"a b"'),
    ("title:AND", "title:\\AND"),
    ("title:a:b:c", "title:a\\:b\\:c"),
    ('title:"a"b', 'title:"a" b'),
    # groups
    ("tags:(a OR b)", "tags:(a OR b)"),
    ("tags:a OR tags:b", "tags:(a OR b)"),
    ("tags:(a OR b OR A)", "tags:(a OR b OR A)"),
    ("tags:(a b)", "tags:a tags:b"),
    ("NOT tags:(a OR b)", "NOT tags:(a OR b)"),
    ("tags:(a -b)", "tags:a NOT tags:b"),
    ("tags:-a", "NOT tags:a"),
    ("title:(a b OR c)", "title:a (title:b OR title:c)"),
    ("rating:(1 OR 2)", "rating:(1 OR 2)"),
    # wildcards
    ("mount*", "mount*"),
    ("land*ape", "land*ape"),
    ("mo?nt**n", "mo?nt*n"),
    ("model:stable-diffusion*", "metadata.model:stable\\-diffusion*"),
    ("title:who\\?", "title:who\\?"),
    ("title:a\\*b*", "title:a\\*b*"),
    ("filename:*.jpg", "filename:*.jpg"),
    # fuzzy
    ("mountian~", "mountian~"),
    ("mountian~1", "mountian~1"),
    ("mountian~2", "mountian~2"),
    ("mountian~0", "mountian"),
    ("mount~0.8", "mount~1"),
    ("mountains~0.5", "mountains~2"),
    ("ab~0.8", "ab"),
    ("tags:natre~1", "tags:natre~1"),
    # numbers and units
    ("width:[800 TO 2048]", "metadata.width:[800 TO 2048]"),
    ("width:{800 TO 2048}", "metadata.width:{800 TO 2048}"),
    ("width:[800 TO *}", "metadata.width:[800 TO *}"),
    ("width:[* TO *]", "metadata.width:*"),
    ("width:>=-5", "metadata.width:[-5 TO *]"),
    ("width:> 5", "metadata.width:{5 TO *]"),
    ("width: <5", "metadata.width:[* TO 5}"),
    ("width:-5", "metadata.width:-5"),
    ("width:[-5 TO 5]", "metadata.width:[-5 TO 5]"),
    ('width:["-5" TO "5"]', "metadata.width:[-5 TO 5]"),
    ('width:"800"', "metadata.width:800"),
    ("width:800px", "metadata.width:800"),
    ("file_size:>5mb", "metadata.file_size:{5000000 TO *]"),
    ("file_size:<=1.5kib", "metadata.file_size:[* TO 1536]"),
    ("duration:<2m", "metadata.duration:[* TO 120.0}"),
    ("duration:1:30", "metadata.duration:90.0"),
    ("cost.amount:1e-2", "cost.amount:0.01"),
    ("model:[a TO m]", 'metadata.model:["a" TO "m"]'),
    # dates: low <= value < high
    ("created_at:[2024-01-01 TO 2024-01-31]", 'created_at:["2024-01-01T00:00:00.000Z" TO "2024-02-01T00:00:00.000Z"}'),
    ("created_at:{2024-01-01 TO 2024-01-31}", 'created_at:["2024-01-02T00:00:00.000Z" TO "2024-01-31T00:00:00.000Z"}'),
    ("created_at:2024-02", 'created_at:["2024-02-01T00:00:00.000Z" TO "2024-03-01T00:00:00.000Z"}'),
    ("created_at:>2023", 'created_at:["2024-01-01T00:00:00.000Z" TO *}'),
    ("created_at:<=2023", 'created_at:[* TO "2024-01-01T00:00:00.000Z"}'),
    ("created_at:>=now-7d/d", 'created_at:["2024-03-24T00:00:00.000Z" TO *}'),
    ("created_at:2024-01-15T10:30:00Z", 'created_at:["2024-01-15T10:30:00.000Z" TO "2024-01-15T10:30:01.000Z"}'),
    # booleans, presence, flags
    ("is_public:YES", "is_public:true"),
    ("title:*", "title:*"),
    ("_exists_:title", "title:*"),
    ("has:(title OR width)", "title:* OR metadata.width:*"),
    ("missing:title", "NOT title:*"),
    ("is:favourite", "is:favorite"),
    ("is_favorite:false", "NOT is:favorite"),
    ("is:(public OR deleted)", "is:public OR is:deleted"),
    ("by:me", "by:me"),
    ("by:user_7", "user_id:user_7"),
    ("in:landscapes", "collections:landscapes"),
    # objects
    ("people:(name:x AND role:y)", "people:(people.name:x people.role:y)"),
    ("people:x", "people:(people.name:x)"),
    ("people.name:x", "people:(people.name:x)"),
    ("people.name:(a OR b)", "people:(people.name:a OR people.name:b)"),
    ("people:*", "people:*"),
    ("people:(people:* -role:x)", "people:(people:* NOT people.role:x)"),
    # places
    ('near:"52.37,4.89 10km"', 'near:"52.37,4.89 10000m"'),
    ('gps:"52.37, 4.89, 5mi"', 'near:"52.37,4.89 8046.72m"'),
    ('bounds:"53.6,7.2,50.7,3.3"', 'bounds:"53.6,7.2,50.7,3.3"'),
    # custom
    ("custom.weight:>5", "custom.weight:{5.0 TO *]"),
    ("custom.due:>2024-05", 'custom.due:["2024-06-01T00:00:00.000Z" TO *}'),
    ("custom.size:[m TO s]", 'custom.size:["m" TO "s"]'),
    ('custom.c:"a b"', 'custom.c:"a b"'),
    # boosts
    ("mountain^2 landscape", "mountain^2 landscape"),
    ('"a b"^1.50', '"a b"^1.5'),
    ("(a OR b)^3", "(a OR b)^3"),
    ("title:(a OR b)^3", "(title:a OR title:b)^3"),
    ("tags:a^2", "tags:a^2"),
    ("NOT a^2", "NOT a^2"),
    ("a~1^2", "a~1^2"),
]


@pytest.mark.parametrize(("text", "expected"), MEANINGS, ids=[text for text, _ in MEANINGS])
def test_meaning(text: str, expected: str) -> None:
    assert normalised(text) == expected


@pytest.mark.parametrize("text", [text for text, _ in MEANINGS])
def test_normalised_text_means_the_same(text: str) -> None:
    assert clause(normalised(text)) == clause(text)


@pytest.mark.parametrize("text", [example.query for section in SECTIONS for example in section.examples])
def test_every_documented_example_compiles(text: str) -> None:
    compiled = search(text)
    assert compiled.warnings == ()
    assert clause(normalised(text)) == compiled.clause


@pytest.mark.parametrize("text", [example.query for example in FILTERS])
def test_every_documented_filter_compiles(text: str) -> None:
    assert search(filters=json.loads(text)).body


@pytest.mark.parametrize("text", [example.query for example in FACETS])
def test_every_documented_facet_compiles(text: str) -> None:
    assert search(facets=parse_facets(text)).facets


@pytest.mark.parametrize("text", [example.query for example in SORTS])
def test_every_documented_sort_compiles(text: str) -> None:
    assert search("a", sort=text).body["sort"]


def test_the_page_shows_every_example_reason_and_limit() -> None:
    page = render_syntax()
    for example in (*(e for section in SECTIONS for e in section.examples), *FILTERS, *FACETS, *SORTS):
        assert f"`{example.query.replace('|', chr(92) + '|')}` | {example.doc} |" in page
    for name in (*REASONS, *WORDING, *FLAGS):
        assert f"| `{name}` |" in page


def test_words_and_quoted_words_differ() -> None:
    assert isinstance(clause("a"), Match)
    assert isinstance(clause('"a"'), Phrase)
    assert clause("title:a") != clause('title:"a"')
    assert clause("tags:a") == clause('tags:"a"')


def test_shapes() -> None:
    assert isinstance(clause("*:*"), All)
    assert isinstance(clause("a b"), And)
    assert isinstance(clause("a OR b"), Or)
    assert isinstance(clause("-a"), Not)
    assert isinstance(clause("tags:(a OR b)"), In)
    assert isinstance(clause("people:(name:a)"), Nested)
    fuzzy = clause("mountian~")
    assert isinstance(fuzzy, Fuzzy)
    assert fuzzy.edits is None


SPANS: list[tuple[str, list[str]]] = [
    ("type:image AND NOT  tags:mountain^2", ["type:image", "NOT  tags:mountain^2"]),
    ("“a b”  width:[1 TO 2] x~1", ["“a b”", "width:[1 TO 2]", "x~1"]),
    ("12:30 && created_at:>=2024", ["12:30", "created_at:>=2024"]),
    ("people:(name:a) (b OR c)", ["people:(name:a)", "b OR c"]),
]


@pytest.mark.parametrize(("text", "parts"), SPANS)
def test_clauses_know_their_place(text: str, parts: list[str]) -> None:
    found = clause(text)
    assert isinstance(found, And)
    assert [text[item.span[0] : item.span[0] + item.span[1]] for item in found.items] == parts
