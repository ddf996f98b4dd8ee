"""Query texts: tables of every operator on every type of field, and a generator whose values are those of the library.

A generator takes a `random.Random`, so that a seed gives a fixed list, and hypothesis (by `st.randoms`) one it can
shrink.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, TypeVar

from mappings.derived import derived_metadata
from mappings.fields import NUMERIC, REGISTRY, Field, FieldType
from query.render import quoted
from tests.support.library import MODELS, NAMES, TAGS, USERS, WORDS, records

T = TypeVar("T")

_SAID = [word for word in WORDS if word.isascii() and word.isalpha() and len(word) > 3]
_DATES = ("2023", "2024-02", "2024-05-01", "2023-06-15T12:30:00Z", "now-6M", "2024-01-31||-1M/M", "today", "2005-03")
_FIELDS = [field for field in REGISTRY.walk() if field.name not in {"favorited_by", "admin_tags", "extra"}]
_NUMERIC = sorted(NUMERIC)  # each process of a run has the same order
_OF: Mapping[FieldType, list[Field]] = {
    kind: [f for f in _FIELDS if f.type is kind and not f.nested and f.name not in {"metadata.exif", "metadata.xmp"}]
    for kind in FieldType
}


@cache
def _bodies() -> tuple[dict[str, Any], ...]:
    """Return the records of the library as their search documents see them: with what is derived from metadata."""
    return tuple(
        {
            **record.body,
            "metadata": {**record.body["metadata"], **derived_metadata(record.body["metadata"])},
            "updated_at": record.updated_at,
        }
        for record in records()
    )


@cache
def pool(name: str) -> tuple[Any, ...]:
    """Return the values that a field has in the library, each once, in the order of their text."""
    found: dict[str, Any] = {}
    parts = name.split(".")
    for body in _bodies():
        value: Any = body
        for part in parts:
            value = value.get(part) if isinstance(value, Mapping) else None
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                found.setdefault(str(item), item)
    return tuple(found[text] for text in sorted(found))


class Generator:
    """One query text after another."""

    def __init__(self, rng: random.Random, *, fuzzy: bool = True) -> None:
        """`fuzzy` words are left out on demand."""
        self._rng = rng
        self._leaves: list[Callable[[], str]] = [
            self._bare, self._bare, self._phrase, self._proximity, self._text, self._text_phrase, self._keyword,
            self._keyword, self._list, self._pattern, self._keyword_pattern, self._number, self._comparison,
            self._number_range, self._date, self._date_range, self._boolean, self._exists, self._flag, self._near,
            self._bounds, self._people, self._suggested, self._custom, self._open, self._string_range,
        ]  # fmt: skip
        if fuzzy:
            self._leaves += [self._fuzzy, self._keyword_fuzzy]

    def query(self, depth: int = 2) -> str:
        """Return a query of at most this many levels of brackets."""
        parts = [self._part(depth) for _ in range(self._rng.randint(1, 3))]
        return parts[0] + "".join(self._pick((" ", " AND ", " OR ")) + part for part in parts[1:])

    def _part(self, depth: int) -> str:
        sign = self._pick(("", "", "", "", "NOT ", "-", "+"))
        if depth and self._rng.randint(1, 4) == 1:
            return f"{sign}({self.query(depth - 1)})" + self._pick(("", "", "^2"))
        return sign + self._pick(self._leaves)()

    def _pick(self, options: Iterable[T]) -> T:
        return self._rng.choice(tuple(options))

    def _bare(self) -> str:
        return str(self._pick(WORDS)) + self._pick(("", "", "^3"))

    def _said(self) -> str:
        """Two to three words that follow each other in a text of the library."""
        words = str(self._pick(pool("description"))).split()
        at = self._rng.randint(0, max(0, len(words) - 2))
        return " ".join(words[at : at + self._rng.randint(2, 3)])

    def _phrase(self) -> str:
        return quoted(self._said())

    def _proximity(self) -> str:
        words = list(dict.fromkeys(self._said().split()))
        self._rng.shuffle(words)
        return f"{quoted(' '.join(words))}~{self._rng.randint(1, 8)}"

    def _text(self) -> str:
        field = self._pick(_OF[FieldType.TEXT])
        words = str(self._pick(pool(field.name) or WORDS)).split() or ["lake"]
        return f"{field.name}:{quoted(self._pick(words))}" if self._rng.randint(0, 1) else f"{field.name}:lake"

    def _text_phrase(self) -> str:
        field = self._pick(_OF[FieldType.TEXT])
        return f"{field.name}:{quoted(self._said())}" + self._pick(("", "~2"))

    def _values(self, *kinds: FieldType) -> tuple[Field, tuple[Any, ...]]:
        field = self._pick(f for kind in kinds for f in _OF[kind] if pool(f.name))
        return field, pool(field.name)

    def _keyword(self) -> str:
        field, values = self._values(FieldType.KEYWORD)
        value = str(self._pick(values))
        return f"{field.name}:{quoted(self._pick((value, value.upper(), value.lower())))}"

    def _list(self) -> str:
        field, values = self._values(FieldType.KEYWORD)
        return f"{field.name}:({quoted(str(self._pick(values)))} OR {quoted(str(self._pick(values)))})"

    def _pattern(self) -> str:
        word = self._pick(_SAID)
        cut = self._rng.randint(2, len(word) - 1)
        pattern = self._pick((f"{word[:cut]}*", f"{word[:cut]}?{word[cut + 1 :]}", f"{word[:2]}*{word[-1]}"))
        return self._pick(("", "title:", "description:", "filename:", "tags:")) + pattern

    def _keyword_pattern(self) -> str:
        start = self._pick(MODELS)[: self._rng.randint(3, 9)].strip()
        return f"model:{start.replace(' ', chr(92) + ' ')}*"

    def _number(self) -> str:
        field, values = self._values(*_NUMERIC)
        return f"{field.name}:{self._pick(values)}"

    def _comparison(self) -> str:
        field, values = self._values(*_NUMERIC)
        return f"{field.name}:{self._pick(('>', '>=', '<', '<='))}{self._pick(values)}"

    def _number_range(self) -> str:
        field, values = self._values(*_NUMERIC)
        low, high = sorted((self._pick(values), self._pick(values)))
        return f"{field.name}:{self._pick('[{')}{low} TO {high}{self._pick(']}')}"

    def _date(self) -> str:
        field = self._pick(_OF[FieldType.DATE])
        return (
            f"{field.name}:{self._pick(('', '>', '<='))}{self._pick((*_DATES, str(self._pick(pool(field.name)))[:10]))}"
        )

    def _date_range(self) -> str:
        field = self._pick(_OF[FieldType.DATE])
        low, high = sorted(str(self._pick(pool(field.name)))[: self._pick((4, 7, 10))] for _ in range(2))
        if low[:4] == high[:4]:
            return f"{field.name}:[{low} TO *]"
        return f"{field.name}:{self._pick('[{')}{low} TO {high}{self._pick(']}')}"

    def _string_range(self) -> str:
        field = self._pick(
            (REGISTRY.get("title"), REGISTRY.get("module"), REGISTRY.get("creator"), REGISTRY.get("tags"))
        )
        low, high = sorted((self._pick("abcdef"), self._pick("lmnopq")))
        return f"{field.name}:{self._pick('[{')}{low} TO {high}{self._pick(']}')}"

    def _boolean(self) -> str:
        return f"is_public:{self._pick(('true', 'no'))}"

    def _exists(self) -> str:
        field = self._pick(f for f in _FIELDS if not f.nested)
        return self._pick((f"{field.name}:*", f"has:{field.name}", f"missing:{field.name}", f"{field.name}:[* TO *]"))

    def _flag(self) -> str:
        flags = ("is:favorite", "is:public", "is:private", "is:deleted", "is:expired", "is:mine", "is_deleted:false")
        return str(self._pick((*flags, "by:me", f"by:{self._pick(USERS)}", "in:landscapes")))

    def _near(self) -> str:
        lat, lon = self._rng.randint(-80, 80), self._rng.randint(-179, 179)
        return f'near:"{lat}.5,{lon} {self._pick((300, 900, 3000))}{self._pick(("km", "mi"))}"'

    def _bounds(self) -> str:
        south, north = sorted((self._rng.randint(-84, 84), self._rng.randint(-84, 84)))
        return f'bounds:"{north}.03,{self._rng.randint(-179, 179)}.07,{south - 1}.02,{self._rng.randint(-179, 179)}.01"'

    def _people(self) -> str:
        name, role = self._pick(NAMES), self._pick(("model", "speaker", "editor"))
        forms = (
            f"people:(name:{quoted(name)} AND role:{role})", f"people.name:{quoted(name)}", f"people.role:{role}",
            f"people:(role:{role} -name:ann)", f"people:(name:ann OR role:{role})", "people:ray", "has:people",
        )  # fmt: skip
        return str(self._pick(forms))

    def _suggested(self) -> str:
        tag = self._pick(("water", "river", "sky"))
        forms = (
            f"suggested_tags:(tag:{tag} AND confidence:>={self._pick((12, 80, '83.7'))})", f"suggested_tags.tag:{tag}",
            "suggested_tags.confidence:[79.9 TO 80]", f"suggested_tags:{tag}",
        )  # fmt: skip
        return str(self._pick(forms))

    def _custom(self) -> str:
        forms = (
            "custom.colour:red", 'custom.colour:"dark red"', "custom.colour:dar*", "custom.weight:5",
            "custom.weight:>=5", "custom.weight:[4 TO 5.5}", "custom.due:[2024-05-01 TO 2024-05-31]", "custom.ok:true",
            "custom.sizes:xl", "has:custom.due", "missing:custom.weight", "custom:*", "custom.due:soon",
            f"custom.note:{quoted(self._pick(WORDS))}",
        )  # fmt: skip
        return str(self._pick(forms))

    def _open(self) -> str:
        forms = (
            "exif.FNumber:2.0", "exif.GPS.Altitude:2", "iptc.city:zürich", 'iptc.keywords:"two words"',
            "extra.codec:h264", "extra.codec:AV1", "extra.bits:10", "exif.fnumber:(2.0 OR 2.8)", "extra.codec:h2*",
        )  # fmt: skip
        return str(self._pick(forms))

    def _fuzzy(self) -> str:
        word = self._pick(_SAID)
        at = self._rng.randint(0, len(word) - 2)
        slips = (
            word[:at] + word[at + 1 :],
            word[: at + 1] + "q" + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        )
        return f"{self._pick(('', 'title:', 'description:'))}{self._pick(slips)}{self._pick(('~', '~1', '~2', '~0.7'))}"

    def _keyword_fuzzy(self) -> str:
        tag = self._pick([tag for tag in TAGS if tag.isalpha() and tag.isascii()])
        return f"tags:{tag[:-1]}{self._pick(('~', '~1', '~2'))}"

    def leaf(self) -> str:
        """Return a query of one condition."""
        return str(self._pick(self._leaves)())


def generated(count: int, seed: int) -> list[str]:
    """Return so many different queries, every other one of a single condition: the same ones in every process.

    Tests are named after them, and each worker of a run has to find the same tests: no set may be walked on the way.
    """
    generator = Generator(random.Random(seed))
    found: dict[str, None] = {}
    while len(found) < count:
        found.setdefault(generator.query() if len(found) % 2 else generator.leaf())
    return list(found)
