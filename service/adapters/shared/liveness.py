"""Who does some work, and whether that process is still there.

A process is known dead only by the machine that it ran on: by the kernel's boot, the namespace of its number (each
container has its own, and numbers its processes from 1) and its start, since numbers are used again. Where any of these
cannot be read (no Linux, another host, another container), nothing is known, and a lease has to decide.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

_HERE: set[str] = set()  # the workers of this process that are alive
_ENDED = frozenset("ZX")  # the states of a process that only waits to be noticed


def enlist(name: str) -> str:
    """Return the worker's full name, ``<host>/<boot>.<namespace>/<pid>.<start>/<name>``, and count it as alive."""
    worker = f"{_place()}/{os.getpid()}.{_started(os.getpid()) or ''}/{name}"
    _HERE.add(worker)
    return worker


def dismiss(worker: str) -> None:
    """Count a worker of this process as gone. Safe to call twice."""
    _HERE.discard(worker)


def known_dead(worker: str) -> bool:
    """Whether the worker certainly runs no more. False when it cannot be known, as for another machine's."""
    if worker in _HERE:
        return False
    parts = worker.split("/", 3)
    if len(parts) < 4 or f"{parts[0]}/{parts[1]}" != _place() or parts[1] in ("", "."):
        return False
    pid, _, started = parts[2].partition(".")
    if not pid.isdigit() or not started:
        return False
    if int(pid) == os.getpid() and started == _started(os.getpid()):
        return True  # of this process, and not among its workers
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # another user's; no number of a process
        return False
    now = _started(int(pid))
    return now is not None and now != started


def _place() -> str:
    """Return where numbers of processes mean something: host, boot and namespace, the last two empty if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
        ours = str(Path("/proc/self").readlink()) == str(os.getpid())  # else /proc shows another namespace's processes
    except OSError:
        ours = False
    if not ours:
        boot = namespace = ""
    return f"{socket.gethostname()}/{boot}.{namespace}"


def _started(pid: int) -> str | None:
    """Return when a process began, in ticks since the boot; None when that cannot be read, ``ended`` if it ended."""
    try:
        # "pid (name) state … starttime": the name may hold anything, so count from its closing parenthesis.
        state, *fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except (OSError, ValueError):
        return None
    return "ended" if state in _ENDED else fields[18]
