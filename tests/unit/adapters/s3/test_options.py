from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from service.adapters.s3.client import client, provider
from service.adapters.s3.errors import at_start, translated
from service.adapters.s3.options import MIB, S3Options
from service.adapters.s3.send import part_size
from service.errors import SettingsError, Unavailable

GOOD = S3Options("http://someone:hu%40sh@127.0.0.1:9000")


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        (replace(GOOD, url="ftp://host"), "ASSETRY_S3_URL"),
        (replace(GOOD, url="http://"), "ASSETRY_S3_URL"),
        (replace(GOOD, url="http://host/bucket"), "ASSETRY_S3_URL"),
        (replace(GOOD, url="http://host?x=1"), "ASSETRY_S3_URL"),
        (replace(GOOD, url="http://host:99999"), "ASSETRY_S3_URL"),
        (replace(GOOD, url="http://only-a-user@host"), "ASSETRY_S3_SECRET_KEY"),
        (replace(GOOD, access_key="alone"), "ASSETRY_S3_SECRET_KEY"),
        (replace(GOOD, public_url="files.example.org"), "ASSETRY_S3_PUBLIC_URL"),
        (replace(GOOD, bucket="No"), "ASSETRY_S3_BUCKET"),
        (replace(GOOD, bucket="a..b"), "ASSETRY_S3_BUCKET"),
        (replace(GOOD, region="Neverland!"), "ASSETRY_S3_REGION"),
        (replace(GOOD, ca="/nowhere/ca.pem"), "ASSETRY_S3_CA"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_can_not_be_right_names_its_setting(options: S3Options, setting: str) -> None:
    with pytest.raises(SettingsError) as caught:
        options.checked()
    assert caught.value.setting == setting
    assert "hu@sh" not in str(caught.value)


def test_good_options_pass_and_tell_no_secret() -> None:
    given = replace(GOOD, access_key="key", secret_key="secret")
    assert given.checked() is given
    assert GOOD.redacted == "http://127.0.0.1:9000"
    for told in (repr(given), repr(GOOD)):
        assert not any(word in told for word in ("hu%40sh", "hu@sh", "someone", "secret'"))


def test_credentials_are_the_options_else_the_urls() -> None:
    assert GOOD.keys == ("someone", "hu@sh")
    assert replace(GOOD, access_key="key", secret_key="secret").keys == ("key", "secret")
    assert replace(GOOD, url="http://host").keys is None


def test_without_any_the_standard_chain_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/")  # nobody is there
    bare = replace(GOOD, url="http://host")
    with pytest.raises(SettingsError, match="ASSETRY_S3_ACCESS_KEY: no credentials"), at_start(bare):
        provider(bare).retrieve()
    with pytest.raises(Unavailable, match="no credentials"), translated():  # a role's, later
        provider(bare).retrieve()
    (tmp_path / "absent").write_text("[default]\naws_access_key_id = filed\naws_secret_access_key = s\n")
    assert provider(bare).retrieve().access_key == "filed"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "env")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert provider(bare).retrieve().access_key == "env"


@pytest.mark.parametrize(
    ("url", "style", "expected"),
    [
        ("http://a:b@minio:9000", "auto", "http://minio:9000/assetry/k"),
        ("http://a:b@minio:9000", "virtual", "http://assetry.minio:9000/k"),
        ("https://a:b@s3.eu-central-1.amazonaws.com", "auto", "https://assetry.s3.eu-central-1.amazonaws.com/k"),
        ("https://a:b@s3.eu-central-1.amazonaws.com", "path", "https://s3.eu-central-1.amazonaws.com/assetry/k"),
    ],
)
def test_the_bucket_is_in_the_path_or_before_the_host(url: str, style: str, expected: str) -> None:
    options = replace(GOOD, url=url, style=style, region="eu-central-1")  # type: ignore[arg-type]
    made = client(options, provider(options))
    assert made.presigned_get_object("assetry", "k").split("?")[0] == expected


def test_certificates_must_be_some(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("nothing")
    options = replace(GOOD, url="https://a:b@host", ca=path)
    with pytest.raises(SettingsError, match=r"ASSETRY_S3_CA: .* contains no PEM certificate"):
        client(options, provider(options))


@pytest.mark.parametrize(
    ("total", "wanted", "expected"),
    [(0, 16 * MIB, 16 * MIB), (10**12, 16 * MIB, 96 * MIB), (10, MIB, 5 * MIB), (50 * 1024**3, 5 * MIB, 6 * MIB)],
)
def test_parts_are_never_too_small_or_too_many(total: int, wanted: int, expected: int) -> None:
    assert part_size(total, wanted) == expected
    assert total / expected <= 10_000
