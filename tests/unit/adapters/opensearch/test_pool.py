from __future__ import annotations

from collections import Counter

from service.adapters.opensearch.pool import HostPool


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def made(time: Time, *hosts: str) -> HostPool:
    return HostPool([(host, {}) for host in hosts], now=time, dead_timeout=1, randomize_hosts=True)


def test_hosts_take_turns() -> None:
    pool = made(Time(), "a", "b", "c")
    assert Counter(pool.get_connection() for _ in range(9)) == {"a": 3, "b": 3, "c": 3}


def test_a_dead_host_is_left_alone_and_then_tried_by_one_call() -> None:
    time = Time()
    pool = made(time, "a", "b")
    pool.mark_dead("a")
    assert {pool.get_connection() for _ in range(10)} == {"b"}
    time.now += 1
    assert [pool.get_connection() for _ in range(5)] == ["a", "b", "b", "b", "b"]


def test_the_pause_doubles_up_to_half_a_minute_and_ends_with_an_answer() -> None:
    time = Time()
    pool = made(time, "a", "b")
    pool.mark_dead("a")
    pauses = []
    for _ in range(8):
        began = time.now
        while pool.get_connection() != "a":
            time.now += 1
        pauses.append(time.now - began)
        pool.mark_dead("a")
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    pool.mark_live("a")
    assert {pool.get_connection() for _ in range(4)} == {"a", "b"}
    pool.mark_dead("a")
    time.now += 1
    assert pool.get_connection() == "a"


def test_where_all_are_dead_any_may_be_back() -> None:
    pool = made(Time(), "a", "b")
    for host in ("a", "b"):
        pool.mark_dead(host)
    assert Counter(pool.get_connection() for _ in range(4)) == {"a": 2, "b": 2}


def test_many_failures_at_once_are_one() -> None:
    time = Time()
    pool = made(time, "a", "b")
    for _ in range(50):
        pool.mark_dead("a")
    time.now += 1
    assert pool.get_connection() == "a"
