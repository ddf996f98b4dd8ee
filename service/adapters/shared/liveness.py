"""Worker names, and whether the process behind a name is still alive.

Only the machine on which a process ran can know that it is dead: by the kernel's boot id, the namespace of its PID
(each container has its own, and counts its processes from 1) and its start time, since PIDs are reused. Where any of
these cannot be read (not Linux, another host, another container), nothing is known, and a lease has to decide.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

_HERE: set[str] = set()  # the live workers of this process
_ENDED = frozenset("ZX")  # the states of a process that has ended but has not been reaped yet


def enlist(name: str) -> str:
    """Register a worker as alive and return its full name, ``<host>/<boot>.<namespace>/<pid>.<start>/<name>``."""
    worker = f"{_place()}/{os.getpid()}.{_started(os.getpid()) or ''}/{name}"
    _HERE.add(worker)
    return worker


def dismiss(worker: str) -> None:
    """Unregister a worker of this process. Safe to call twice."""
    _HERE.discard(worker)


def known_dead(worker: str) -> bool:
    """Whether the worker is certainly dead. False if that cannot be known, as for another machine's."""
    if worker in _HERE:
        return False
    parts = worker.split("/", 3)
    if len(parts) < 4 or f"{parts[0]}/{parts[1]}" != _place() or parts[1] in ("", "."):
        return False
    pid, _, started = parts[2].partition(".")
    if not pid.isdigit() or not started:
        return False
    if int(pid) == os.getpid() and started == _started(os.getpid()):
        return True  # it belonged to this process, but is no longer registered
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # another user's process, or not a valid PID
        return False
    now = _started(int(pid))
    return now is not None and now != started


def _place() -> str:
    """Return where a PID is valid: host, boot id and PID namespace; the last two are empty if unknown."""
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
    """Return when a process started, in ticks since boot; None if that cannot be read, ``ended`` if it has ended."""
    try:
        # "pid (name) state … starttime": the name may contain anything, so count from its closing parenthesis.
        state, *fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except (OSError, ValueError):
        return None
    return "ended" if state in _ENDED else fields[18]
