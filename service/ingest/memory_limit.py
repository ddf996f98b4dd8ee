"""The memory that this process may use, which in a container can be less than the machine has."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def memory_limit(cgroup: Path = _CGROUP) -> int:
    """Return the bytes of memory of the container (cgroup v2, then v1), or of the machine without a limit."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [_read(cgroup / "memory.max"), _read(cgroup / "memory" / "memory.limit_in_bytes")]
    return min([machine, *(limit for limit in limits if limit is not None)])


def _read(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # `max`: no limit
        return None
