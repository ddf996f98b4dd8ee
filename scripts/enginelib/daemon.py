"""A process that outlives the command that started it."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_END_SECONDS = 20.0
_POLL = 0.05
_LOG_TAIL = 2000  # characters of the log that are shown in an error


@dataclass(frozen=True, slots=True)
class Daemon:
    """A process, identified by its id and start time (`mark`, empty if unknown); `log` has its output."""

    pid: int
    mark: str
    log: Path

    @classmethod
    def start(
        cls, command: Sequence[str], folder: Path, environment: Mapping[str, str], user: int | None = None
    ) -> Daemon:
        """Start a command in its own session, in `folder`, with its output appended to `folder/log`.

        `user` is the id of the user to run it as, who becomes the owner of the folder; None for the current user.
        """
        log = folder / "log"
        with log.open("ab") as output:
            if user is not None:
                change_owner(folder, user)
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **environment, "HOME": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
                group=pwd.getpwuid(user).pw_gid if user is not None else None,
                extra_groups=[] if user is not None else None,
            )
        process.returncode = 0  # nothing waits for it here, and Popen would warn about a child that outlives it
        return cls(process.pid, (_stat(process.pid) or ("", ""))[1], log)

    @classmethod
    def this(cls, log: Path) -> Daemon:
        """Return the current process."""
        return cls(os.getpid(), (_stat(os.getpid()) or ("", ""))[1], log)

    def alive(self) -> bool:
        """Return whether this process is running, and not another one with the same id."""
        with contextlib.suppress(ChildProcessError):  # started by an earlier command
            os.waitpid(self.pid, os.WNOHANG)  # a child that has exited stays a zombie until then
        if not _PROC.is_dir():
            return _signalled(self.pid)
        stat = _stat(self.pid)
        return stat is not None and stat[0] != "Z" and stat[1] == self.mark

    def end(self) -> None:
        """Stop the process with SIGTERM, and after 20 seconds with SIGKILL. Does nothing if it has exited."""
        late = time.monotonic() + _END_SECONDS
        number = signal.SIGTERM
        while self.alive():
            if number == signal.SIGTERM or time.monotonic() > late:
                os.kill(self.pid, number)
                number = signal.SIGKILL
            time.sleep(_POLL)

    def kill(self) -> None:
        """Kill the process, even if it is suspended; return when it is gone."""
        while self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(_POLL)

    def log_tail(self) -> str:
        """Return the end of the log."""
        return self.log.read_text(errors="replace").strip()[-_LOG_TAIL:] or "no output"


def not_root() -> int | None:
    """Return the user for engines that refuse to run as root: None for the current user, `nobody` if root."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def change_owner(folder: Path, user: int) -> None:
    """Make a user the owner of a folder and everything in it."""
    group = pwd.getpwuid(user).pw_gid
    os.chown(folder, user, group)
    for path in folder.rglob("*"):
        os.chown(path, user, group, follow_symlinks=False)


def _stat(pid: int) -> tuple[str, str] | None:
    """Return the state and start time (ticks since boot) of a process; None if it does not exist."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], fields[19]  # fields 3 and 22 in proc(5)


def _signalled(pid: int) -> bool:
    """Return whether a process with this id accepts signals: all that can be known without /proc."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
