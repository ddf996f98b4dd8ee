"""Filters as text: the JSON object that the API's ``filters`` and the command line's ``--filters`` take."""

from __future__ import annotations

from typing import Any

import orjson

from service.errors import InvalidInput

_EXPECTED = 'a JSON object such as {"type": "image"}'


def read_filters(text: str, field: str) -> dict[str, Any]:
    """Return the object; {} for an empty text. Raises InvalidInput that names ``field`` and where the JSON breaks."""
    if not text.strip():
        return {}
    try:
        filters = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        message = f"{field} is not JSON: {error.msg} at character {error.pos}."
        raise InvalidInput(message, field=field, provided=text, expected=_EXPECTED) from None
    if not isinstance(filters, dict):
        raise InvalidInput(f"{field} is not an object.", field=field, provided=text, expected=_EXPECTED)
    return filters
