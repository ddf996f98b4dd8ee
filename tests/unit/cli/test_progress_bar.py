"""What a reindex says where nobody sees a bar."""

from __future__ import annotations

import pytest

from indexer.indexes.plan import Stage
from indexer.reindex.result import ReindexProgress
from service.cli.commands.indexing import REPORT_WAIT_AFTER, Bar
from service.cli.output import progress
from tests.support.memory_engine import HandClock

FULL = ReindexProgress(Stage.FILLING, waits="the engine answers 429 cluster_block_exception")


def test_what_is_waited_for_long_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    clock = HandClock()
    with progress(quiet=True) as bar:
        say = Bar(bar, clock.monotonic)
        for told, after, said in [
            (FULL, 0.0, ""),
            (FULL, REPORT_WAIT_AFTER / 2, ""),
            (ReindexProgress(Stage.FILLING, 5, 10), 1.0, ""),
            (FULL, REPORT_WAIT_AFTER, ""),
            (FULL, REPORT_WAIT_AFTER, "filling, waiting: the engine answers 429 cluster_block_exception\n"),
            (FULL, REPORT_WAIT_AFTER, ""),
            (ReindexProgress(Stage.FILLING, waits="something else"), 1.0, "filling, waiting: something else\n"),
        ]:
            clock.move(after)
            say(told)
            assert capsys.readouterr() == ("", said)
