"""The number of CPU cores this process may use, which in a container can be fewer than the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def cpu_count(cgroup: Path = _CGROUP) -> int:
    """Return how many CPU-bound processes can run at once, at least 1.

    Takes into account the CPU affinity of the process (``taskset``, a cpuset) and the quota of its container (cgroup
    v2, then v1); a fraction of a core counts as a core.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, bound if quota is None else min(bound, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """Return the number of cores allowed by the container's quota, None without a quota."""
    try:
        allowed, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            allowed = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text()
        except OSError:
            return None
    try:
        share = int(allowed) / int(period)
    except (ValueError, ZeroDivisionError):  # `max`: no limit
        return None
    return share if share > 0 else None  # -1 in v1: no limit
