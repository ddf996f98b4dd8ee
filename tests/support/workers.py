"""Workers of one run share its real engines: what each makes there bears its name."""

from __future__ import annotations

import os

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")


def own(name: str) -> str:
    """Return the name of an index, an alias … that no other worker uses."""
    return f"contract-{WORKER}-{name}"
