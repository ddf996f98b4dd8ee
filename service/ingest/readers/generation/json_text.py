"""JSON in the texts of a picture: bounded in size, never an error."""

from __future__ import annotations

import json
import re
from typing import Any

_MAX_CHARS = 4 * 1024 * 1024
"""Characters of a text that is parsed: Python's objects take up to thirty times as many bytes."""

_OPENING = re.compile(r"\s*(?:\{\s*(?:\"|\}\s*\Z)|\[\s*(?:\{\s*\"|\"))")


def parsed(text: object) -> Any:
    """Return the object or list that a text is, None for any other text; NaN and infinities become null."""
    if not isinstance(text, str) or len(text) > _MAX_CHARS or text.lstrip("\ufeff \t\r\n")[:1] not in {"{", "["}:
        return None
    try:
        return json.loads(text.lstrip("\ufeff").rstrip("\x00"), parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def says_json(text: str) -> bool:
    """Return whether a text is meant as JSON, whole or cut: it starts with an object's first name or a list of them.

    Prompts may start with brackets, too: ``[fox:cat:0.5]``, ``{{masterpiece}}``, ``{red|blue}``.
    """
    return _OPENING.match(text[:10_000].lstrip("\ufeff")) is not None
