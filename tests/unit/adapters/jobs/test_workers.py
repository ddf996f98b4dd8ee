from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.adapters.jobs import records
from service.adapters.jobs.limits import JobLimits
from service.adapters.shared import liveness

HOST = socket.gethostname()
linux = pytest.mark.skipif(not Path("/proc/self/ns/pid").is_symlink(), reason="without /proc only a lease decides")


@pytest.fixture
def mine() -> Iterator[str]:
    """A worker of this process."""
    worker = liveness.enlist("one")
    yield worker
    liveness.dismiss(worker)


def parts(worker: str) -> tuple[str, str, str, str]:
    """Host, boot and namespace, number and start, name."""
    host, place, process, name = worker.split("/", 3)
    return host, place, process, name


@linux
def test_a_worker_lives_until_it_is_dismissed(mine: str) -> None:
    assert mine.startswith(f"{HOST}/")
    assert not liveness.known_dead(mine)
    liveness.dismiss(mine)
    liveness.dismiss(mine)
    assert liveness.known_dead(mine)


@linux
def test_a_worker_of_an_ended_process_is_dead() -> None:
    program = "from service.adapters.shared import liveness; print(liveness.enlist('child'), flush=True); input()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        worker = process.stdout.readline().strip()
        assert not liveness.known_dead(worker)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it ended, and is not reaped yet
        assert liveness.known_dead(worker)
    assert liveness.known_dead(worker)


@linux
def test_a_number_that_is_used_again_is_another_process(mine: str) -> None:
    host, place, process, name = parts(mine)
    pid, _, started = process.partition(".")
    assert liveness.known_dead(f"{host}/{place}/{pid}.{int(started) - 1}/{name}")
    parent = f"{host}/{place}/{os.getppid()}.1/x"  # as if its number had been another's before
    assert liveness.known_dead(parent)


@linux
def test_what_ran_elsewhere_is_left_to_its_lease(mine: str) -> None:
    """The same host name and number, in another container, after another boot, or on another machine."""
    host, place, process, name = parts(mine)
    boot, _, namespace = place.partition(".")
    liveness.dismiss(mine)
    assert liveness.known_dead(mine)
    for other in (f"{host}/{boot}.1", f"{host}/other.{namespace}", f"elsewhere/{place}", f"{host}/.", f"{host}/"):
        assert not liveness.known_dead(f"{other}/{process}/{name}")


@pytest.mark.parametrize("rest", ["1/x", "999999/x", "x/y", "1.2", "1.2/x", "./x", f"{10**30}.5/x"])
def test_a_name_that_says_too_little_is_not_dead(rest: str) -> None:
    assert not liveness.known_dead(f"{HOST}/{rest}")


@pytest.mark.parametrize("worker", ["", "None", "/", "////", f"{HOST}/././.", f"{HOST}/../1.1/x"])
def test_no_name_is_not_dead(worker: str) -> None:
    assert not liveness.known_dead(worker)


def test_a_process_of_another_user_is_not_dead(mine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, signal: int) -> None:
        raise PermissionError

    host, place, _, name = parts(mine)
    monkeypatch.setattr(os, "kill", refuse)
    assert not liveness.known_dead(f"{host}/{place}/999999.1/{name}")


def test_without_proc_only_the_lease_decides(mine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "readlink", refuse)
    worker = liveness.enlist("two")
    assert not liveness.known_dead(worker)
    liveness.dismiss(worker)
    assert not liveness.known_dead(worker)
    assert not liveness.known_dead(mine)


@pytest.mark.parametrize(("attempt", "least", "most"), [(1, 1.0, 2.0), (2, 2.0, 4.0), (3, 4.0, 8.0), (50, 5.0, 10.0)])
def test_the_wait_grows_to_a_limit(attempt: int, least: float, most: float) -> None:
    limits = JobLimits(backoff=2.0, longest_backoff=10.0)
    delays = {limits.delay(attempt) for _ in range(200)}
    assert least <= min(delays) < max(delays) <= most


@pytest.mark.parametrize(
    ("done", "total", "percentage"), [(0, 0, 0), (1, 3, 33), (2, 3, 66), (999, 1000, 99), (3, 3, 100), (5, 3, 100)]
)
def test_progress_is_rounded_down(done: int, total: int, percentage: int) -> None:
    assert records.progress(done, total) == {"completed": done, "total": total, "percentage": percentage}
