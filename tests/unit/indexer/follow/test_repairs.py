from __future__ import annotations

import orjson
import pytest

from indexer.follow.reconcile import Repairs


@pytest.mark.parametrize("repairs", [Repairs("why", ("a", "b"), "asset_5"), Repairs("why", ())])
def test_what_is_left_survives_the_store(repairs: Repairs) -> None:
    assert Repairs.read(orjson.loads(orjson.dumps(repairs.as_body()))) == repairs
    assert Repairs.read(None) is None


@pytest.mark.parametrize(
    ("pending", "cursor", "more", "expected", "kept"),
    [
        ((), None, ["a"], ("a",), None),
        (("a",), "asset_5", ["a"], ("a",), None),
        (("a",), "asset_5", ["b"], ("a", "b"), "asset_5"),
        (("a", "b"), "asset_5", ["b"], ("a", "b"), "asset_5"),
    ],
)
def test_another_reason_begins_an_index_anew_and_goes_on_with_the_others(
    pending: tuple[str, ...], cursor: str | None, more: list[str], expected: tuple[str, ...], kept: str | None
) -> None:
    joined = Repairs("first", pending, cursor).joined("second", more)
    assert (joined.pending, joined.cursor, joined.reason) == (expected, kept, "second")
