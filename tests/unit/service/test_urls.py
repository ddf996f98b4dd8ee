from __future__ import annotations

import pytest

from service.urls import UNIX, fault, redacted, split_hosts

REDIS = ("redis://", "rediss://", UNIX)
HTTP = ("https://", "http://")


@pytest.mark.parametrize(
    ("url", "schemes"),
    [
        ("mongodb://a:27017,b:27018,[::1]:27019/x?replicaSet=rs0", ("mongodb://",)),
        ("mongodb://kim:p%40ss@a/x", ("mongodb://",)),
        ("mongodb://kim:p#ss@a/x", ("mongodb://",)),
        ("redis://:secret@host:6379/0", REDIS),
        ("unix:///run/redis.sock?db=1", REDIS),
        ("http://[::1]:9000", HTTP),
        ("https://host", HTTP),
    ],
)
def test_good_urls(url: str, schemes: tuple[str, ...]) -> None:
    assert fault(url, schemes) is None


@pytest.mark.parametrize(
    ("url", "schemes", "word"),
    [
        ("localhost:6379", REDIS, "must start with redis:// or rediss://"),
        ("redis://", REDIS, "must contain a host"),
        ("redis://:6379", REDIS, "must contain a host"),
        ("redis://:pass/word@host", REDIS, "%2F"),
        ("unix://", REDIS, "must contain a path"),
        ("http://host:70000", HTTP, "port"),
        ("http://host:port", HTTP, "port"),
        ("http://host :9", HTTP, "must not contain spaces"),
        ("redis://:pass#word@host", REDIS, "%23"),
        ("https://kim:1#pass@host:9200", HTTP, "%23"),
        ("mongodb://a,:1", ("mongodb://",), "must contain a host"),
    ],
)
def test_wrong_urls_are_told_without_being_repeated(url: str, schemes: tuple[str, ...], word: str) -> None:
    wrong = fault(url, schemes)
    assert wrong is not None
    assert word in wrong
    assert "pass" not in wrong.replace("password", "")


def test_hosts_share_their_credentials() -> None:
    hosts = split_hosts("https://kim:p%40ss@a:9200/prefix, https://b:9200/")
    assert hosts.urls == ("https://a:9200/prefix", "https://b:9200")
    assert (hosts.user, hosts.password) == ("kim", "p@ss")
    assert split_hosts("http://a").user is None


@pytest.mark.parametrize(
    ("urls", "word"),
    [
        ("http://a,https://b", "must not mix"),
        ("http://x:1@a,http://y:1@b", "different credentials"),
        ("http://a,,http://b", "each URL must start"),
        ("ftp://a", "must start with https://"),
        ("https://kim:pass\uff1aword@a", "must be a valid URL"),
        ("https://kim:pass\u2100word@a", "must be a valid URL"),
        ("https://kim:pass[word@a", "must be a valid URL"),
    ],
)
def test_hosts_that_do_not_fit(urls: str, word: str) -> None:
    with pytest.raises(ValueError, match=word) as raised:
        split_hosts(urls)
    assert "word@" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("mongodb://kim:secret@a,b:27017/db?authSource=admin", "mongodb://a,b:27017"),
        ("redis://:secret@host:6379/0", "redis://host:6379"),
        ("http://key:secret@host:9000", "http://host:9000"),
        ("unix:///run/redis.sock?password=secret", "unix:///run/redis.sock"),
        ("unix://user:secret@/run/redis.sock", "unix:///run/redis.sock"),
        ("mongodb://host?password=secret", "mongodb://host"),
    ],
)
def test_what_is_shown_of_a_url(url: str, text: str) -> None:
    assert redacted(url) == text
