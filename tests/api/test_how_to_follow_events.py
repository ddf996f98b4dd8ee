"""docs/how-to-follow-events.md says what there is."""

from __future__ import annotations

import re
from pathlib import Path

from service.core.events.records import EVENT_TYPES, RESYNC

PAGE = (Path(__file__).parents[2] / "docs" / "how-to-follow-events.md").read_text()


def test_every_type_of_event_is_described() -> None:
    described = re.findall(r"^\| `([\w.]+)` \|", PAGE, re.MULTILINE)
    assert described == [*EVENT_TYPES, RESYNC]
