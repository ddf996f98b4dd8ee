from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from service.core.files.links import Links
from service.errors import NotAuthenticated

DAY = 86_400


class Now:
    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


def _parts(url: str) -> tuple[str, str]:
    query = parse_qs(urlsplit(url).query)
    return query["expires"][0], query["signature"][0]


def test_a_link_is_good_for_a_day_at_least_and_ends() -> None:
    now = Now()
    links = Links("s" * 40, DAY, now)
    expires, signature = _parts(links.link("http://h", "asset_1", "original", "a b.jpg"))
    assert int(expires) - now.seconds >= DAY
    links.check("asset_1", "original", expires, signature)
    now.seconds = int(expires) + 1
    with pytest.raises(NotAuthenticated, match="expired"):
        links.check("asset_1", "original", expires, signature)


def test_a_link_stays_the_same_for_its_window() -> None:
    now = Now()
    links = Links("s" * 40, DAY, now)
    now.seconds = links.window * DAY + 1
    first = links.link("http://h", "asset_1", "original", "a")
    now.seconds += DAY - 2
    assert links.link("http://h", "asset_1", "original", "a") == first
    now.seconds += 2
    assert links.link("http://h", "asset_1", "original", "a") != first


@pytest.mark.parametrize(
    ("asset_id", "rendition", "expires", "signature"),
    [
        ("asset_2", "original", None, None),
        ("asset_1", "preview", None, None),
        ("asset_1", "original", "99999999999", None),
        ("asset_1", "original", "soon", None),
        ("asset_1", "original", "-1", None),
        ("asset_1", "original", "٣", None),
        ("asset_1", "original", None, ""),
        ("asset_1", "original", None, "\udcff"),
        ("asset_1", "original", None, "0" * 40),
    ],
)
def test_anything_else_is_refused(asset_id: str, rendition: str, expires: str | None, signature: str | None) -> None:
    links = Links("s" * 40, DAY)
    good = _parts(links.link("http://h", "asset_1", "original", "a"))
    with pytest.raises(NotAuthenticated):
        links.check(
            asset_id, rendition, good[0] if expires is None else expires, good[1] if signature is None else signature
        )


def test_another_secret_makes_another_signature() -> None:
    one, two = Links("s" * 40, DAY), Links("t" * 40, DAY)
    with pytest.raises(NotAuthenticated):
        two.check("asset_1", "original", *_parts(one.link("http://h", "asset_1", "original", "a")))


def test_links_of_the_secret_before_this_one_are_good_until_they_expire() -> None:
    old, new = "s" * 40, "t" * 40
    expires, signature = _parts(Links(old, DAY).link("http://h", "asset_1", "original", "a"))
    Links(new, DAY, previous=[old]).check("asset_1", "original", expires, signature)
    with pytest.raises(NotAuthenticated):
        Links(new, DAY).check("asset_1", "original", expires, signature)
    fresh = _parts(Links(new, DAY, previous=[old]).link("http://h", "asset_1", "original", "a"))
    Links(new, DAY).check("asset_1", "original", *fresh)


@pytest.mark.parametrize("version", ["", "other", "v1\0"])
def test_a_link_is_for_one_version_of_the_content(version: str) -> None:
    links = Links("s" * 40, DAY)
    url = links.link("http://h", "asset_1", "original", "a", "v1")
    assert "?v=v1&" in url
    links.check("asset_1", "original", *_parts(url), "v1")
    with pytest.raises(NotAuthenticated):
        links.check("asset_1", "original", *_parts(url), version)
