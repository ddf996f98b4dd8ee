from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from service.adapters.opensearch.connection import Connection, Host
from service.errors import SettingsError

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://localhost", "http://localhost:9200"),
        ("https://search.example.org", "https://search.example.org:443"),
        ("https://u:p@search.example.org:9243/", "https://search.example.org:9243"),
        ("https://search.example.org/a/b/", "https://search.example.org:443/a/b"),
        ("http://[::1]:9201", "http://[::1]:9201"),
    ],
)
def test_a_url_has_a_port_and_perhaps_a_path(url: str, shown: str) -> None:
    assert Connection((url,)).redacted == shown


@pytest.mark.parametrize(
    ("url", "user", "password", "auth"),
    [
        ("http://h", None, None, None),
        ("http://h", "u", "p", ("u", "p")),
        ("http://h", "u", None, ("u", "")),
        ("http://a%40b:c%3A%2F@h", None, None, ("a@b", "c:/")),
        ("http://in:url@h", "u", "p", ("in", "url")),
    ],
)
def test_credentials_come_from_the_url_or_else_from_beside_it(
    url: str, user: str | None, password: str | None, auth: tuple[str, str] | None
) -> None:
    (host,) = Connection((url,), user, password).addresses()
    assert host.auth == auth


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("h:9200",),
        ("ftp://h",),
        ("https://",),
        (f"http://u:{SECRET}@h:port",),
        (f"http://u:{SECRET}@h?x=1",),
        (f"http://u:{SECRET}@h#x",),
        (f"http://u:{SECRET}@[h",),
        ("http://h", f"https://u:{SECRET}@i"),
    ],
)
def test_wrong_urls_are_said_without_their_secrets(hosts: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as caught:
        Connection(hosts).addresses()
    assert caught.value.setting == "ASSETRY_OPENSEARCH_URL"
    assert SECRET not in str(caught.value)


def test_a_password_needs_a_user() -> None:
    with pytest.raises(SettingsError) as caught:
        Connection(("http://h",), None, SECRET).addresses()
    assert caught.value.setting == "ASSETRY_OPENSEARCH_USER"
    assert SECRET not in str(caught.value)


def test_nothing_shows_a_password() -> None:
    made = Connection((f"http://u:{SECRET}@h",), "v", SECRET)
    assert SECRET not in repr(made) + made.redacted + repr(made.addresses())


@pytest.mark.parametrize(
    ("name", "local"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("h", False), ("10.0.0.1", False)],
)
def test_what_is_this_machine(name: str, local: bool) -> None:
    assert Host("http", name, 1).local is local


def test_without_tls_no_file_is_read() -> None:
    assert Connection(("http://h",), ca_certs="nowhere").tls() is None


def test_certificates_are_verified_unless_told_otherwise() -> None:
    verified, blind = Connection(("https://h",)).tls(), Connection(("https://h",), verify_certs=False).tls()
    assert verified is not None
    assert blind is not None
    assert (verified.verify_mode, verified.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (blind.verify_mode, blind.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.parametrize(
    ("option", "setting"),
    [("ca_certs", "ASSETRY_OPENSEARCH_CA"), ("client_cert", "ASSETRY_OPENSEARCH_CLIENT_CERT")],
)
@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "wrong"])
def test_a_file_that_can_not_be_used_is_named_with_its_setting(
    tmp_path: Path, option: str, setting: str, content: str | None
) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_text(content)
    made = Connection(("https://h",), **{option: str(path)})  # type: ignore[arg-type]
    with pytest.raises(SettingsError) as caught:
        made.tls()
    assert caught.value.setting == setting
    assert str(path) in str(caught.value)
