"""A process that outlives the command which started it."""

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
_SAID = 2000  # characters of the log that an error shows


@dataclass(frozen=True, slots=True)
class Daemon:
    """A process by its id and by when it started (`mark`, empty where that cannot be known); `log` has its output."""

    pid: int
    mark: str
    log: Path

    @classmethod
    def start(
        cls, command: Sequence[str], folder: Path, environment: Mapping[str, str], user: int | None = None
    ) -> Daemon:
        """Start a command in a session of its own, in `folder`, its output at the end of `folder/log`.

        `user` is the id of the one to run it as, who is made the owner of the folder; None for the present one.
        """
        log = folder / "log"
        with log.open("ab") as output:
            if user is not None:
                give(folder, user)
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
        process.returncode = 0  # nobody waits for it here: without this, Popen warns of a child that outlives it
        return cls(process.pid, (_stat(process.pid) or ("", ""))[1], log)

    @classmethod
    def this(cls, log: Path) -> Daemon:
        """Return the present process."""
        return cls(os.getpid(), (_stat(os.getpid()) or ("", ""))[1], log)

    def alive(self) -> bool:
        """Return whether the process runs: this one, and not another that was given its id."""
        with contextlib.suppress(ChildProcessError):  # started by an earlier command
            os.waitpid(self.pid, os.WNOHANG)  # one of ours that has ended is a zombie until then
        if not _PROC.is_dir():
            return _signalled(self.pid)
        stat = _stat(self.pid)
        return stat is not None and stat[0] != "Z" and stat[1] == self.mark

    def end(self) -> None:
        """End the process: politely, after 20 seconds by a kill. Nothing happens when it has ended."""
        late = time.monotonic() + _END_SECONDS
        number = signal.SIGTERM
        while self.alive():
            if number == signal.SIGTERM or time.monotonic() > late:
                os.kill(self.pid, number)
                number = signal.SIGKILL
            time.sleep(_POLL)

    def kill(self) -> None:
        """End the process at once, also one that is stopped; return when it is gone."""
        while self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(_POLL)

    def last_words(self) -> str:
        """Return the end of the log."""
        return self.log.read_text(errors="replace").strip()[-_SAID:] or "it said nothing"


def not_root() -> int | None:
    """Return whom an engine that refuses root runs as: None for the present user, `nobody` for root."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def give(folder: Path, user: int) -> None:
    """Make a user the owner of a folder and all in it."""
    group = pwd.getpwuid(user).pw_gid
    os.chown(folder, user, group)
    for path in folder.rglob("*"):
        os.chown(path, user, group, follow_symlinks=False)


def _stat(pid: int) -> tuple[str, str] | None:
    """Return the state of a process and when it started (ticks since the machine did); None when there is none."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], fields[19]  # the 3rd and the 22nd of proc(5)


def _signalled(pid: int) -> bool:
    """Return whether a process of this id takes signals: all that can be known where there is no /proc."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
