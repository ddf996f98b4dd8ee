"""Reference counting for engines started for a command: the last of several concurrent users stops the engine.

In the engine's folder, `for-runs` exists if the engine stops with its last user; `users` has a file per user, named by
process id and containing the start time of the process.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from scripts.enginelib.daemon import Daemon

_FLAG, _USERS = "for-runs", "users"


def hold(folder: Path, user: Daemon, *, made: bool) -> None:
    """Add a user of the engine; `made` means that the engine was started for it and stops with the last user."""
    if made:
        (folder / _FLAG).touch()
    (folder / _USERS).mkdir(exist_ok=True)
    (folder / _USERS / str(user.pid)).write_text(user.mark)


def release(folder: Path, user: Daemon) -> bool:
    """Remove a user of the engine; return whether the engine should stop."""
    (folder / _USERS / str(user.pid)).unlink(missing_ok=True)
    if not (folder / _FLAG).exists():
        return False
    users = [Daemon(int(file.name), file.read_text(), file) for file in (folder / _USERS).glob("*")]
    return not any(other.alive() for other in users)


def keep(folder: Path) -> None:
    """Keep the engine running regardless of users, because it was started explicitly."""
    (folder / _FLAG).unlink(missing_ok=True)


def forget(folder: Path) -> None:
    """Remove all users: the engine has stopped."""
    keep(folder)
    shutil.rmtree(folder / _USERS, ignore_errors=True)
