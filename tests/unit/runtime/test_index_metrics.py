from __future__ import annotations

from dataclasses import replace

from prometheus_client.core import Metric

from indexer.status.model import UNKNOWN, FollowerStatus, Rebuilding, Reconciling, Role, State, decode, encode
from indexer.verify.last_result import VerifyResult
from service.api.ops.metrics import ENGINES, EVENTS, HTTP, METRICS, PREFIX, render_metrics
from service.runtime.index_metrics import IndexTimes, index_metrics

VERIFIED = VerifyResult("assets-1", "2024-05-01T10:00:00+00:00", 10, {"missing": 2, "stale": 0}, 1, 0, 0.5)
BUSY = replace(
    UNKNOWN,
    state=State.FOLLOWING,
    role=Role.LEADER,
    lag_seconds=3600.0,
    window_hours=5.0,
    fence=4,
    items={"done": 7, "dead": 1},
    targets=("assets-1", "assets-2"),
    rebuild=Rebuilding("assets-2", "filling", 3, 9),
    reconciling=Reconciling("lost", "assets-1", checked=6),
    verified=VERIFIED,
    rate=12.5,
)

Samples = dict[tuple[str, tuple[str, ...]], float]


def samples(found: list[Metric]) -> Samples:
    return {(s.name, tuple(s.labels.values())): s.value for metric in found for s in metric.samples}


def shown(status: FollowerStatus, times: IndexTimes | None = None) -> Samples:
    return samples(index_metrics(status, times))


def test_what_a_busy_index_shows() -> None:
    found = shown(BUSY, IndexTimes())
    expected = {
        ("assetry_index_state", ("following",)): 1,
        ("assetry_index_state", ("halted",)): 0,
        ("assetry_index_fed", ()): 1,
        ("assetry_index_feed_window_hours", ()): 4,
        ("assetry_index_fence", ()): 4,
        ("assetry_index_targets", ()): 2,
        ("assetry_index_reindex_records", ("assets-2", "filling")): 3,
        ("assetry_index_reindex_total", ("assets-2", "filling")): 9,
        ("assetry_index_reconcile_records", ("assets-1",)): 6,
        ("assetry_index_drift", ("missing",)): 2,
        ("assetry_index_drift_left", ()): 1,
        ("assetry_index_leader", ()): 1,
        ("assetry_index_records_per_second", ()): 12.5,
        ("assetry_index_items_total", ("done",)): 7,
    }
    assert {name: found[name] for name in expected} == expected


def test_a_process_without_an_indexer_shows_no_work_of_its_own() -> None:
    names = {name for name, _ in shown(BUSY)}
    assert "assetry_index_lag_seconds" in names
    assert not {name for name in names if name.startswith(("assetry_index_items", "assetry_index_leader"))}


def test_what_is_not_known_is_not_shown() -> None:
    names = {name for name, _ in shown(UNKNOWN)}
    assert not names & {"assetry_index_feed_window_hours", "assetry_index_drift", "assetry_index_reindex_total"}


def test_times_are_counted_in_buckets() -> None:
    times = IndexTimes()
    times.searchable(0.25)
    times.batch(3)
    found = shown(UNKNOWN, times)
    name = "assetry_index_commit_to_searchable_seconds_bucket"
    assert (found[name, ("0.2",)], found[name, ("0.3",)]) == (0, 1)
    assert found["assetry_index_batch_changes_sum", ()] == 3


def test_the_table_has_all_that_is_shown_and_the_page_all_of_the_table() -> None:
    page = render_metrics()
    assert all(f"`{PREFIX}{name}`" in page for name in METRICS)
    own = {metric.name for metric in (*HTTP, *ENGINES, *EVENTS)}
    found = {metric.name.removeprefix(PREFIX).removesuffix("_total") for metric in index_metrics(BUSY, IndexTimes())}
    assert found == {name.removesuffix("_total") for name in METRICS if name not in own}


def test_other_processes_are_told_all_of_it() -> None:
    assert decode(encode(BUSY)) == BUSY
    older = {name: value for name, value in encode(BUSY).items() if name != "verified"}
    assert decode(older | {"rebuild": {"stage": "?"}}) == replace(BUSY, verified=None, rebuild=None)
