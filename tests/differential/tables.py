"""All queries by hand, each once, the examples of the documentation among them."""

from __future__ import annotations

from query.examples import SECTIONS
from tests.differential.value_tables import DATES, KEYWORDS, NUMBERS, OTHERS, TEXTS
from tests.differential.word_tables import FUZZY, PATTERNS, WORDS

HAND: tuple[str, ...] = tuple(
    dict.fromkeys(
        [
            *(
                line.replace("\\u0301", "\u0301").replace("\\u00ad", "\u00ad")
                for table in (WORDS, PATTERNS, FUZZY, KEYWORDS, TEXTS, NUMBERS, DATES, OTHERS)
                for line in table.strip().splitlines()
            ),
            "",
            *(example.query for section in SECTIONS for example in section.examples),
        ]
    )
)
