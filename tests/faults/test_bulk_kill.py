"""Kill -9 in the middle of bulk work: it goes on, and every asset is changed once and counted once."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_reprocess_kill import items, progress, rows, run_and_kill
from tests.support.examples import EXPLORING
from tests.support.processes import Served, printed, served, until

pytestmark = pytest.mark.processes

FILES, KILLS = 300, 3
SEEDS = [
    pytest.param(seed, marks=[pytest.mark.soak, pytest.mark.timeout(600)] if seed else [], id=str(seed))
    for seed in range(10 if EXPLORING else 3)
]


@dataclass(frozen=True)
class Work:
    """A kind of bulk work: its request, and what SQL says of an asset with which it is done once."""

    method: str
    path: str
    body: Mapping[str, Any]
    done: str
    is_undone: bool = False
    backups: int = field(default=0)


WORKS = {
    "update": Work(
        "PATCH",
        "/assets/bulk/metadata",
        {"updates": {"title_prefix": "New ", "tags": {"add": ["killed"]}}},
        """json_extract(body, '$.title') LIKE 'New text%' AND json_extract(body, '$.tags') = '["killed"]'""",
    ),
    "favorites": Work(
        "POST",
        "/assets/bulk/favorites",
        {"action": "add"},
        "json_array_length(body, '$.favorited_by') = 1 AND json_extract(body, '$.usage_stats.favorites') = 1",
    ),
    "trash": Work("DELETE", "/assets/bulk", {}, "json_extract(body, '$.deleted_at') IS NOT NULL"),
    "permanent": Work(
        "DELETE", "/assets/bulk", {"options": {"permanent_delete": True}}, "tombstone = 1", backups=FILES
    ),
    "undo": Work(
        "PATCH",
        "/assets/bulk/metadata",
        {"updates": {"title_prefix": "New ", "tags": {"add": ["killed"]}}},
        """json_extract(body, '$.title') LIKE 'text%' AND json_extract(body, '$.tags') = '[]'""",
        is_undone=True,
    ),
}


def started(service: Served, data: Path, work: Work) -> str:
    """Start the work on all assets; return the operation's id."""
    service.until_ready()
    with service.client() as client:

        def ask(body: Mapping[str, Any]) -> Any:
            answer = client.request(work.method, work.path, json={"query": "type:text", **body})
            assert answer.status_code < 300, answer.text
            return answer.json()

        operation_id = str(ask(work.body)["operation_id"])
        if work.is_undone:
            until(lambda: progress(data, operation_id)["status"] == "completed", "the update ends", patience=120)
            operation_id = str(client.post(f"/operations/{operation_id}/undo").json()["operation_id"])
        until(lambda: progress(data, operation_id)["total"] == FILES, "what there is to do is written down")
    return operation_id


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
def test_bulk_work_is_killed(tmp_path: Path, work: Work, seed: int) -> None:
    data, folder = tmp_path / "data", tmp_path / "texts"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"text {number:04}.txt").write_text(f"Text number {number}.")
    assert printed("import", folder, "--data", data)["imported"] == FILES
    moments = random.Random(seed)
    with served(data) as service:
        operation_id = started(service, data, work)
        goal = moments.randint(0, FILES // KILLS)
        until(lambda: progress(data, operation_id)["completed"] >= goal, "it came some way", patience=120)
        service.kill()
    for _ in range(KILLS):
        if progress(data, operation_id)["status"] not in ("queued", "running"):
            break
        run_and_kill(data, operation_id, moments, FILES // KILLS)
    with served(data) as service:
        until(lambda: progress(data, operation_id)["status"] == "completed", "it comes to its end", patience=120)
        service.until_ready()
        found = list(items(service, operation_id))
    assert len(found) == len({item["id"] for item in found}) == FILES, "each asset once"
    assert {item["status"] for item in found} == {"succeeded"}
    revs = {rev for (rev,) in rows(data, "SELECT rev FROM asset")}
    assert revs == {3 if work.is_undone else 2}, "each was changed once"
    assert rows(data, f"SELECT count(*) FROM asset WHERE {work.done}") == [(FILES,)]
    assert rows(data, "SELECT count(*), count(DISTINCT json_extract(body, '$.asset_id')) FROM backup") == [
        (work.backups, work.backups)
    ]
    end = progress(data, operation_id)
    assert (end["succeeded"], end["skipped"], end["failed"], end["total"]) == (FILES, 0, 0, FILES)
