from __future__ import annotations

import asyncio
import os
import pickle
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.errors import IngestError
from service.ingest.extract import extract
from service.ingest.limits import MIB, IngestLimits
from service.ingest.worker import IngestWorkers
from tests.support import media_files as builders

LIMITS = IngestLimits(workers=2, task_seconds=1.0, memory_bytes=1024 * MIB, queue=4)


@pytest.fixture
async def workers() -> AsyncIterator[IngestWorkers]:
    made = IngestWorkers(LIMITS)
    yield made
    await made.close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return builders.picture(tmp_path / "a.jpg", (1200, 800))


async def test_facts_and_pictures_come_out_of_a_process(workers: IngestWorkers, picture: Path) -> None:
    assert await workers.extract(picture, "a.jpg") == extract(picture, "a.jpg", LIMITS)
    made = await workers.thumbnail(picture, "a.jpg", "jpg", 100)
    assert (made.width, made.height, made.mime_type) == (100, 67, "image/jpeg")
    assert await workers.run(os.getpid, "x") != os.getpid()


async def test_errors_come_out_whole(workers: IngestWorkers, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(builders.png(50_000, 50_000))
    with pytest.raises(IngestError) as caught:
        await workers.extract(path, "bomb.png")
    assert (caught.value.reason, caught.value.filename) == ("bomb", "bomb.png")
    with pytest.raises(FileNotFoundError):
        await workers.extract(tmp_path / "absent", "absent.png")


async def test_a_task_that_hangs_is_killed(workers: IngestWorkers, picture: Path) -> None:
    with pytest.raises(IngestError, match="task_seconds") as caught:
        await workers.run(time.sleep, "slow.pdf", 600)
    assert (caught.value.reason, caught.value.filename) == ("timeout", "slow.pdf")
    assert (await workers.extract(picture, "a.jpg")).type == "image"


async def test_a_crash_costs_one_file(workers: IngestWorkers, picture: Path) -> None:
    await workers.extract(picture, "a.jpg")
    for _ in range(3):
        with pytest.raises(IngestError) as caught:
            await workers.run(os.abort, "crash.svg")
        assert (caught.value.reason, caught.value.filename) == ("crash", "crash.svg")
    assert (await workers.extract(picture, "a.jpg")).type == "image"


async def test_memory_is_bounded(workers: IngestWorkers, picture: Path) -> None:
    with pytest.raises(IngestError, match="memory_bytes") as caught:
        await workers.run(bytearray, "huge.tif", 4 * 1024 * MIB)
    assert caught.value.reason == "memory"
    assert (await workers.extract(picture, "a.jpg")).type == "image"


async def test_others_files_are_read_while_one_hangs_and_one_crashes(workers: IngestWorkers, picture: Path) -> None:
    results = await asyncio.gather(
        workers.run(time.sleep, "slow", 600),
        workers.run(os.abort, "crash"),
        *(workers.extract(picture, f"{number}.jpg") for number in range(12)),
        return_exceptions=True,
    )
    reasons = [result.reason for result in results if isinstance(result, IngestError)]
    assert sorted(reasons) == ["crash", "timeout"]
    assert len(results) == 14


async def test_idle_workers_may_die_too(workers: IngestWorkers, picture: Path) -> None:
    """The kernel may end a process that has no task: the pool is replaced and the caller does not notice."""
    for _ in range(3):
        os.kill(await workers.run(os.getpid, "x"), 9)
        assert (await workers.extract(picture, "a.jpg")).type == "image"


async def test_a_cancelled_caller_frees_its_place(workers: IngestWorkers, picture: Path) -> None:
    tasks = [asyncio.create_task(workers.run(time.sleep, "slow", 600)) for _ in range(LIMITS.queue)]
    await asyncio.gather(*(asyncio.wait_for(asyncio.shield(task), 0.1) for task in tasks), return_exceptions=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (await workers.extract(picture, "a.jpg")).type == "image"


async def test_nothing_starts_before_the_first_task() -> None:
    workers = IngestWorkers(LIMITS)
    await workers.close()
    await workers.close()
    with pytest.raises(RuntimeError, match="closed"):
        await workers.run(os.getpid, "x")


async def test_workers_are_replaced_after_their_share(picture: Path) -> None:
    workers = IngestWorkers(IngestLimits(workers=1, tasks_per_worker=2))
    try:
        seen = [await workers.run(os.getpid, "x") for _ in range(5)]
        assert len(set(seen)) == 3
    finally:
        await workers.close()


def test_facts_pickle(picture: Path) -> None:
    found = extract(picture, "a.jpg")
    assert pickle.loads(pickle.dumps(found)) == found


async def test_a_drawing_that_asks_for_endless_work_has_little_time(tmp_path: Path) -> None:
    path = tmp_path / "crafted.svg"
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="512" height="512"><filter id="f">'
        '<feTurbulence baseFrequency="0.9" numOctaves="100000"/></filter>'
        '<rect width="512" height="512" filter="url(#f)"/></svg>'
    )
    workers = IngestWorkers(replace(LIMITS, task_seconds=600, drawing_seconds=0.2))
    try:
        with pytest.raises(IngestError, match="drawing_seconds") as caught:
            await workers.thumbnail(path, "crafted.svg", "svg")
        assert caught.value.reason == "timeout"
    finally:
        await workers.close()
