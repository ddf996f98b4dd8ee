"""Finds the first Java installation that is recent enough."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from scripts.enginelib.faults import Missing

_VERSION = re.compile(r'^JAVA_VERSION="(?:1\.)?(\d+)', re.MULTILINE)


def java_home(least: int) -> Path:
    """Return the home of a Java of at least this version.

    Searches OPENSEARCH_JAVA_HOME, JAVA_HOME, then /usr/lib/jvm (newest first). Raises Missing.
    """
    seen: list[str] = []
    for home in _homes():
        version = _version(home)
        if version >= least and (home / "bin" / "java").is_file():
            return home
        seen.append(f"{home} ({version or 'no Java'})")
    raise Missing(
        f"requires Java {least} or later; found {', '.join(seen) or 'none'}. "
        f"Install one (on Debian: apt-get install openjdk-{least}-jre-headless, or Temurin) or set JAVA_HOME to it"
    )


def _homes() -> Iterator[Path]:
    for name in ("OPENSEARCH_JAVA_HOME", "JAVA_HOME"):
        given = os.environ.get(name)
        if given:
            yield Path(given)
    found = {home.resolve() for home in Path("/usr/lib/jvm").glob("*") if (home / "release").is_file()}
    yield from sorted(found, key=lambda home: (-_version(home), home))


def _version(home: Path) -> int:
    """Return the major version in a Java's `release` file; 0 if there is none."""
    try:
        match = _VERSION.search((home / "release").read_text())
    except OSError:
        return 0
    return int(match[1]) if match else 0
