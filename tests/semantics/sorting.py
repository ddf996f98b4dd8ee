"""How a text is compared as a whole."""

from __future__ import annotations

import unicodedata

from tests.semantics.analysis import fold

LENGTH = 256  # characters that take part


def sortable(text: str) -> str:
    """Return a text folded as its words are, marks of every script left out, and no longer than is compared."""
    plain = unicodedata.normalize("NFKD", fold(text[:LENGTH]))
    return "".join(sign for sign in plain if not "\u0300" <= sign <= "\u036f")[:LENGTH]
