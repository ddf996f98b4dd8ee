from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from service.adapters import job_records, workers
from service.adapters.inprocess_jobs import JobLimits

HOST = socket.gethostname()


def test_a_worker_lives_until_it_is_dismissed() -> None:
    worker = workers.enlist("one")
    assert worker.startswith(f"{HOST}/{os.getpid()}/")
    assert not workers.known_dead(worker)
    workers.dismiss(worker)
    workers.dismiss(worker)
    assert workers.known_dead(worker)


def test_a_worker_of_an_ended_process_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(30)
    assert workers.known_dead(f"{HOST}/{process.pid}/x")


@pytest.mark.parametrize("worker", [f"{HOST}/1/x", "elsewhere/999999/x", "None", "", f"{HOST}/x/y"])
def test_a_worker_that_may_live_is_not_dead(worker: str) -> None:
    assert not workers.known_dead(worker)


def test_a_process_of_another_user_is_not_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not workers.known_dead(f"{HOST}/999999/x")


@pytest.mark.parametrize(("attempt", "least", "most"), [(1, 1.0, 2.0), (2, 2.0, 4.0), (3, 4.0, 8.0), (50, 5.0, 10.0)])
def test_the_wait_grows_to_a_limit(attempt: int, least: float, most: float) -> None:
    limits = JobLimits(backoff=2.0, longest_backoff=10.0)
    delays = {limits.delay(attempt) for _ in range(200)}
    assert least <= min(delays) < max(delays) <= most


@pytest.mark.parametrize(
    ("done", "total", "percentage"), [(0, 0, 0), (1, 3, 33), (2, 3, 66), (999, 1000, 99), (3, 3, 100), (5, 3, 100)]
)
def test_progress_is_rounded_down(done: int, total: int, percentage: int) -> None:
    assert job_records.progress(done, total) == {"completed": done, "total": total, "percentage": percentage}
