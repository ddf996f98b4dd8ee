"""Strings without end: random and mutated, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from mappings.fields import REGISTRY
from query.examples import SECTIONS
from query.language.flags import PSEUDO
from tests.unit.query.attacks import ATTACKS

LONGEST = 5000  # characters: somewhat more than a query may have
_EXAMPLES = tuple(example.query for section in SECTIONS for example in section.examples)
_BASES = (*_EXAMPLES, *ATTACKS)
_NAMES = (*REGISTRY.names(frozenset({"admin"})), *PSEUDO, "org_id", "fold.words", "nope")
_SIGNS = tuple(" \t\n()[]{}\"'“”„«»:+-!&|^~*?/\\<>=.,;@#$%_`0123456789abzXYZéßİ東😀\x00\x1b\ud800\u200b")
_PIECES = (
    *(
        " AND ",
        " OR ",
        " NOT ",
        " TO ",
        "&&",
        "||",
        "~1",
        "~0.8",
        "^2",
        "^1.2.3",
        ">=",
        "<",
        "[1 TO 5]",
        "{a TO *]",
        '"a b"~3',
    ),
    *(
        "*",
        "?",
        "(",
        ")",
        ")^2",
        "-",
        "+",
        "now-7d/d",
        "2024-05",
        "5mb",
        "1:30",
        "\\",
        "//",
        "/x/",
        ":",
        "true",
        "name:",
        "tag:",
    ),
    *(
        "mountain",
        "lake",
        "naïve",
        "東京",
        "C++",
        "fair-trade",
        "https://example.com/a?b=1",
        "\u0301",
        "12:30",
        "o'clock",
    ),
)
_PLANES = ((0, 0x80), (0x80, 0x800), (0x800, 0x10000), (0x10000, 0x20000), (0x20000, 0x40000), (0xE0000, 0x110000))


def strings(seed: int) -> Iterator[str]:
    """Yield strings, each of another kind than the last."""
    rng = random.Random(seed)
    kinds = (_signs, _pieces, _mutated, _bytes, _planes, _spliced, _nested)
    while True:
        for kind in kinds:
            yield kind(rng)[:LONGEST]


def _length(rng: random.Random) -> int:
    """Most are short, a few reach past the limit."""
    return int(min(LONGEST, rng.expovariate(1 / 60))) if rng.random() < 0.95 else rng.randint(500, LONGEST)


def _signs(rng: random.Random) -> str:
    return "".join(rng.choices(_SIGNS, k=_length(rng)))


def _pieces(rng: random.Random) -> str:
    found = []
    for _ in range(max(1, _length(rng) // 6)):
        found.append(f"{rng.choice(_NAMES)}:" if rng.random() < 0.3 else rng.choice(_PIECES))
        found.append(rng.choice(("", " ", " ")))
    return "".join(found)


def _mutated(rng: random.Random) -> str:
    text = list(rng.choice(_BASES))
    for _ in range(rng.randint(1, 8)):
        at = rng.randint(0, len(text))
        match rng.randrange(4):
            case 0:
                text[at:at] = rng.choice(_PIECES)
            case 1:
                del text[at : at + rng.randint(1, 5)]
            case 2:
                text[at : at + 1] = rng.choice(_SIGNS)
            case _:
                text[at:at] = text[: rng.randint(0, 40)]
    return "".join(text)


def _bytes(rng: random.Random) -> str:
    return rng.randbytes(_length(rng)).decode(rng.choice(("utf-8", "latin-1", "utf-16-le")), "replace")


def _planes(rng: random.Random) -> str:
    return "".join(chr(rng.randrange(*rng.choice(_PLANES))) for _ in range(_length(rng)))


def _spliced(rng: random.Random) -> str:
    first, second = rng.choice(_BASES), rng.choice(_BASES)
    return first[: rng.randint(0, len(first))] + rng.choice(_PIECES) + second[rng.randint(0, len(second)) :]


def _nested(rng: random.Random) -> str:
    opening = rng.choice(("(", "NOT (", "-(", "title:(", "people:(", "(a OR ", "!", "+"))
    depth = rng.randint(1, 40) if rng.random() < 0.9 else rng.randint(100, 2000)
    return opening * depth + rng.choice(_BASES)[:40] + ")" * (depth + rng.randint(-1, 1))
