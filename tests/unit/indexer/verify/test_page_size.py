from __future__ import annotations

from indexer.verify.scan import FIRST, PageSize


def test_light_records_come_in_full_pages() -> None:
    page = PageSize(500, 1000)
    for _ in range(5):
        page.seen(page.next, page.next)
    assert page.next == 500


def test_the_first_page_is_a_small_one() -> None:
    page = PageSize(500, 1000)
    assert page.next == FIRST
    page.seen(FIRST, 10)
    assert page.next == 2 * FIRST
    assert PageSize(5, 1000).next == 5


def test_heavy_records_come_in_pages_that_fit() -> None:
    page = PageSize(500, 1000)
    page.seen(500, 50_000)
    assert page.next == 10
    page.seen(10, 100_000)
    assert page.next == 1


def test_a_page_grows_step_by_step_again() -> None:
    page = PageSize(100, 1000)
    page.seen(100, 100_000)
    sizes = []
    for _ in range(8):
        sizes.append(page.next)
        page.seen(page.next, 1)
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 100]


def test_an_empty_page_says_nothing() -> None:
    page = PageSize(100, 1000)
    page.seen(0, 0)
    assert page.next == FIRST
