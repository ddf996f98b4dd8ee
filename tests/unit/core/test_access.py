from __future__ import annotations

import pytest

from service.core.access.guesses import ALLOWED, WINDOW
from service.core.access.keys import CACHE_SECONDS, SCOPES, Keys, Principal, parse_scopes
from service.errors import InvalidInput, NotAllowed, NotAuthenticated, NotFound, TooManyRequests
from tests.unit.core.fakes import Clock, Shelf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("assets:read", ["assets:read"]),
        ("assets:read,assets:write", ["assets:read", "assets:write"]),
        (" assets:write  assets:read ,assets:write", ["assets:write", "assets:read"]),
        ("*", list(SCOPES)),
    ],
)
def test_scopes_are_read(text: str, expected: list[str]) -> None:
    assert parse_scopes(text) == expected


@pytest.mark.parametrize("text", ["", " , ", "assets:fly", "assets:read,*", "ADMIN"])
def test_wrong_scopes_are_named(text: str) -> None:
    with pytest.raises(InvalidInput, match="scope"):
        parse_scopes(text)


def test_admins_may_do_everything() -> None:
    Principal("acme", "kim", frozenset({"admin"})).allow("assets:import")
    with pytest.raises(NotAllowed):
        Principal("acme", "kim", frozenset({"assets:read"})).allow("assets:write")


async def test_a_key_opens_until_it_is_revoked(shelf: Shelf, clock: Clock) -> None:
    keys = Keys(shelf.store, clock)
    secret, record = await keys.create("acme", "kim", ["assets:read"])
    assert secret not in str(record.body)
    who = await keys.authenticate(secret)
    assert (who.org_id, who.user_id, who.scopes, who.key_id) == ("acme", "kim", frozenset({"assets:read"}), record.key)
    await Keys(shelf.store, clock).revoke(record.key)  # another process does it
    assert (await keys.authenticate(secret)) == who, "known for a few seconds more"
    clock.pass_(CACHE_SECONDS + 1)
    with pytest.raises(NotAuthenticated):
        await keys.authenticate(secret)
    with pytest.raises(NotFound):
        await keys.revoke("key_nobody")


async def test_keys_are_listed_by_organization(shelf: Shelf, clock: Clock) -> None:
    keys = Keys(shelf.store, clock)
    for org in ("acme", "acme", "other"):
        await keys.create(org, "kim", ["admin"])
    assert len(await keys.list()) == 3
    assert {record.org_id for record in await keys.list("acme")} == {"acme"}


async def guess(keys: Keys, address: str, count: int = ALLOWED) -> None:
    for number in range(count):
        with pytest.raises(NotAuthenticated):
            await keys.authenticate(f"ak_wrong_{number}", address)


async def test_wrong_keys_of_an_address_are_soon_not_looked_up(shelf: Shelf, clock: Clock) -> None:
    keys = Keys(shelf.store, clock)
    good, _ = await keys.create("acme", "kim", ["assets:read"])
    assert await keys.authenticate(good, "192.0.2.1")
    await guess(keys, "192.0.2.1")
    clock.pass_(CACHE_SECONDS + 1)
    assert await keys.authenticate(good, "192.0.2.1"), "a key that was good before is no guess"
    with pytest.raises(TooManyRequests) as caught:
        await keys.authenticate("ak_wrong", "192.0.2.1")
    assert 0 < caught.value.retry_after <= WINDOW
    with pytest.raises(NotAuthenticated):
        await keys.authenticate("ak_wrong", "192.0.2.2")
    clock.pass_(WINDOW)
    await guess(keys, "192.0.2.1", 1)


async def test_a_whole_network_of_ipv6_is_one_guesser(shelf: Shelf, clock: Clock) -> None:
    keys = Keys(shelf.store, clock)
    for number in range(ALLOWED):
        await guess(keys, f"2001:db8::{number:x}", 1)
    with pytest.raises(TooManyRequests):
        await keys.authenticate("ak_wrong", "2001:db8::ffff")
    await guess(keys, "2001:db8:0:1::1", 1)
