"""NovelAI: its settings are JSON under the PNG keyword ``Comment``; old pictures have the prompt beside it only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from service.ingest.readers.generation import settings
from service.ingest.readers.generation.json_text import parsed

KEYWORDS = frozenset({"Title", "Description", "Comment", "Source"})
"""The PNG keywords it fills in; its titles are the same for all pictures."""


def wrote(texts: Mapping[str, str]) -> bool:
    """Return whether the texts are NovelAI's."""
    return texts.get("Software", "").startswith("NovelAI")


def read(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters; pictures before 2023 have the prompt as their description only."""
    data = parsed(texts.get("Comment"))
    model = re.sub(r"\s+[0-9A-F]{8}\s*\Z", "", texts.get("Source", ""))  # the name without its hash
    return settings.read(
        {"prompt": texts.get("Description"), "model": model, **(data if isinstance(data, dict) else {})}
    )
