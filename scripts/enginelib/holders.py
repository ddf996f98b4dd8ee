"""Who uses an engine that was started for a command: the last of several at once ends it.

In the engine's folder: `for-runs` is there when it is to end with those who use it, `users` has a file for each of them
by the process id, with when that started.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from scripts.enginelib.daemon import Daemon

_FLAG, _USERS = "for-runs", "users"


def hold(folder: Path, user: Daemon, *, made: bool) -> None:
    """Note a user of the engine; `made`: it was started for this one, and ends with the last."""
    if made:
        (folder / _FLAG).touch()
    (folder / _USERS).mkdir(exist_ok=True)
    (folder / _USERS / str(user.pid)).write_text(user.mark)


def release(folder: Path, user: Daemon) -> bool:
    """Forget a user of the engine; return whether the engine is to end."""
    (folder / _USERS / str(user.pid)).unlink(missing_ok=True)
    if not (folder / _FLAG).exists():
        return False
    users = [Daemon(int(file.name), file.read_text(), file) for file in (folder / _USERS).glob("*")]
    return not any(other.alive() for other in users)


def keep(folder: Path) -> None:
    """Let the engine stay whoever uses it: somebody has asked for it."""
    (folder / _FLAG).unlink(missing_ok=True)


def forget(folder: Path) -> None:
    """Forget everybody: the engine has ended."""
    keep(folder)
    shutil.rmtree(folder / _USERS, ignore_errors=True)
