"""Who runs an operation, and whether that process is still there."""

from __future__ import annotations

import os
import socket

_HERE: set[str] = set()
# The workers that are alive in this process: without it, one that was left behind by a process of the same number (a
# container's first process always has the same) could not be told from one of this process.


def enlist(name: str) -> str:
    """Return the worker's full name, ``<host>/<pid>/<name>``, and count it as alive."""
    worker = f"{socket.gethostname()}/{os.getpid()}/{name}"
    _HERE.add(worker)
    return worker


def dismiss(worker: str) -> None:
    """Count a worker of this process as gone. Safe to call twice."""
    _HERE.discard(worker)


def known_dead(worker: str) -> bool:
    """Whether the worker certainly runs no more. False when it can not be known, as for another machine's."""
    host, _, rest = worker.partition("/")
    pid, _, _ = rest.partition("/")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return worker not in _HERE
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, as another user
        return False
    return False
