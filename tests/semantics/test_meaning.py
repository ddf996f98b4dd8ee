"""Queries find the same records in the engine as their clauses select when they are applied to plain records."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from query.clauses import Clause, In, Near, Range, Term, walk
from query.compile import compile_search
from query.types import Caller, SearchRequest
from tests.semantics.engine import Engine, filled
from tests.semantics.evaluator import Library, metres
from tests.support.examples import examples
from tests.support.library import NOW, ORG, records
from tests.support.queries import Generator, generated

SIZE = 400
ME = Caller(ORG, "user_1")
SEED = "metadata.seed"
BORDER = 0.004  # the engine reckons with the Earth's diameter at the latitude, the evaluator with the mean one

HAND = (
    *("", "mountain", "mountain lake", "mountain OR lake forest", "NOT mountain", "-mountain +lake", "*:*", "café"),
    *(
        "fair-trade",
        "o'clock",
        "rock'n'roll",
        "v2.1",
        "12:30",
        "C++",
        "snake_case",
        "東京",
        "タワー",
        "ＡＢＣ",
        "strasse",
    ),
    *("10.5281/zenodo.1", "twenty one", '"fair trade"', '"twenty-one"', "москва", "Ελλάδα", "cafe\u0301", "SMØRREBRØD"),
    *(
        "mount*",
        "la?e",
        "fo*t",
        "caf*",
        "fair-tra*",
        "title:mou*n",
        "filename:*.jpg",
        "filename:*lake*",
        "filename:img*",
    ),
    *("tags:two*", "tags:per\\*c*", "tags:question\\?", "model:stable?diff*", "creator:jane*", "custom.colour:da*"),
    *(
        "mountian~",
        "mountin~1",
        "frest~",
        "lkae~",
        "title:lanscape~2",
        "tags:natre~",
        "people.name:jaen~",
        "rivver~0.8",
    ),
    *('"mountain lake"~4', '"lake red"~9', 'description:"red blue"~6', 'filename:"snow lake"', "filename:walk"),
    *("width:[800 TO 2048}", "width:(>800 AND <=2048)", "height:([500 TO 600] OR {1000 TO 2000])", "file_size:>5mb"),
    *("duration:<=2m", "cost.amount:[0.01 TO 0.10]", "guidance_scale:<0", "rating:(0 OR 5)", "seed:123456789"),
    *(
        "created_at:2024-02",
        "created_at:{2024-01 TO 2024-03}",
        "created_at:>now-6M/M",
        "expires_at:<=today",
        "has:gps",
        "taxonomy:nature",
    ),
    *("taxonomy:(nature/water people)", "storage_folder:nature/*", "storage_folder:{nature TO people}"),
    *("title:[a TO g}", "creator:{b TO k]", "tags:>s", "camera:[canon TO leica]", "slug:[m TO *]", "missing:people"),
    *(
        "is:favorite",
        "is:mine",
        "is:deleted",
        "is:private",
        "is:expired",
        "is_deleted:true OR lake",
        "deleted_at:>2024-06",
    ),
    *(
        "people:(name:ann role:editor)",
        "people:(name:ray -role:editor)",
        "NOT people:(role:model)",
        "people.name:[a TO c]",
    ),
    *(
        "suggested_tags:(tag:water confidence:(<20 OR >83))",
        "custom.weight:(5 OR >6)",
        'custom.note:"lake"',
        "has:exif",
    ),
    *("custom.due:[2024-05-01 TO 2024-05-31]", "custom.colour:7", "custom.sizes:(s xl)", "custom.ok:true", "custom:*"),
    *("exif.fnumber:2.0", "exif.GPS.Altitude:2", "iptc.keywords:nature", "extra.bits:10", "has:extra.codec"),
    *('near:"10,10 3000km"', 'bounds:"60.5,30.5,-20.5,-10.5"', 'bounds:"10.5,-170.5,-10.5,170.5"', "in:landscapes"),
    *("(lake OR type:video)^2 -tags:nature", "NOT (NOT (lake OR forest) AND NOT type:image)", "!(lake && !forest)"),
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with filled(SIZE) as engine:
        yield engine


@pytest.fixture(scope="module")
def library() -> Library:
    return Library(records(SIZE), ORG, ME.user_id, NOW)


def _agree(engine: Engine, library: Library, text: str) -> int:
    """Compare both ways of one query; return how many records it finds."""
    compiled = compile_search(SearchRequest(text=text), ME, NOW)
    found, selected = engine.select(compiled.body), library.select(compiled.clause)
    doubtful = _on_a_border(compiled.clause) | _beyond_doubles(compiled.clause)
    assert sorted((found ^ selected) - doubtful) == [], text
    return len(found)


def _on_a_border(clause: Clause) -> set[int]:
    """Return the records whose distance from a place is that of its circle, as exactly as engines reckon."""
    circles = [part for part in walk(clause) if isinstance(part, Near)]
    return {
        record.body["number"]
        for record in records(SIZE)
        for circle in circles
        if "gps" in record.body and abs(metres(record.body["gps"], circle) / circle.metres - 1) < BORDER
    }


def _beyond_doubles(clause: Clause) -> set[int]:
    """Return the records whose seed the embedded engine, which compares seeds as doubles, cannot tell from others."""
    if not any(isinstance(part, Range | Term | In) and part.field.name == SEED for part in walk(clause)):
        return set()
    seeds = {record.body["number"]: (record.body.get("metadata") or {}).get("seed") for record in records(SIZE)}
    return {number for number, seed in seeds.items() if seed is not None and int(seed) > 2**53}


@pytest.mark.parametrize("text", HAND)
def test_by_hand(engine: Engine, library: Library, text: str) -> None:
    _agree(engine, library, text)


@pytest.mark.timeout(600)
def test_a_fixed_list(engine: Engine, library: Library) -> None:
    totals = [_agree(engine, library, text) for text in generated(examples(600), seed=7)]
    assert sum(0 < total < SIZE * 0.9 for total in totals) > len(totals) / 2


@pytest.mark.timeout(600)
@settings(max_examples=examples(360), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_whatever_the_query(engine: Engine, library: Library, rng: random.Random) -> None:
    _agree(engine, library, Generator(rng).query())
