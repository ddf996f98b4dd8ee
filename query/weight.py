"""What a clause costs the engine: terms times the fields that they are looked up in.

Lucene counts the terms of the whole rewritten query against one limit, and answers 500 past it.
"""

from __future__ import annotations

import re

from mappings.fields import REGISTRY, Field, FieldType

# The standard tokenizer makes one token of each ideograph and kana, of each run of other letters and digits.
_IDEOGRAPH = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORDS = re.compile(rf"[{_IDEOGRAPH}]|[^\W_{_IDEOGRAPH}]+|[^\w\s]")
_PARTS = re.compile(rf"[{_IDEOGRAPH}]|[A-Z]*[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z{_IDEOGRAPH}]|[^\w\s]")

_BARE = REGISTRY.bare()
_BARE_WORDS = sum(field.analyzer == "words" for field in _BARE) + 1  # and the gathered words
_BARE_NAMES = sum(field.analyzer == "filename" for field in _BARE)
BARE_FIELDS = _BARE_WORDS + _BARE_NAMES
_CUSTOM_CLAUSES = 3


def of_text(field: Field | None, text: str) -> int:
    """Return the number of terms that a word or phrase becomes, times its fields; None stands for bare words."""
    if field is None:
        return _BARE_WORDS * max(1, len(_WORDS.findall(text))) + _BARE_NAMES * max(1, len(_PARTS.findall(text)))
    if field.type is FieldType.TEXT:
        pattern = _PARTS if field.analyzer == "filename" else _WORDS
        return max(1, len(pattern.findall(text)))
    if field.type is FieldType.CUSTOM:
        return _CUSTOM_CLAUSES + len(_WORDS.findall(text))
    return 1
