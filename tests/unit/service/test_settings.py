from __future__ import annotations

import errno
from pathlib import Path

import pytest

from service.errors import SettingsError
from service.runtime.bootstrap import roles_of
from service.settings import Settings, load, render_reference, unknown, variable

SECRET = "correct-horse"


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSETRY_PORT", "9000")
    monkeypatch.setenv("ASSETRY_DATA", "/somewhere")
    settings = load(port=9001, host=None)
    assert (settings.port, settings.data, settings.host) == (9001, Path("/somewhere"), "127.0.0.1")


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSETRY_MONGODB_URL", "")
    monkeypatch.setenv("ASSETRY_INDEX_SHARDS", "")
    settings = load()
    assert (settings.mongodb_url, settings.index_shards) == (None, 1)


def test_a_service_of_our_name_in_kubernetes_leaves_the_port_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSETRY_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("ASSETRY_OPS_PORT", "tcp://10.0.0.1:9100")
    assert (load().port, load().ops_port) == (8080, None)
    assert load(port=9001).port == 9001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ASSETRY_PORT", "99999"),
        ("ASSETRY_PORT", "eighty"),
        ("ASSETRY_OPS_PORT", "-1"),
        ("ASSETRY_SHUTDOWN_SECONDS", "-1"),
        ("ASSETRY_OPENSEARCH_URL", "localhost:9200"),
        ("ASSETRY_OPENSEARCH_URL", f"http://kim:{SECRET}@a:9200,https://b:9200"),
        ("ASSETRY_OPENSEARCH_URL", f"http://kim:{SECRET}\uff1a@a:9200"),
        ("ASSETRY_OPENSEARCH_URL", f"http://kim:1#{SECRET}@a:9200"),
        ("ASSETRY_OPENSEARCH_CA", "/no/such/file.pem"),
        ("ASSETRY_OPENSEARCH_CA", "x" * 5000),
        ("ASSETRY_OPENSEARCH_CLIENT_KEY", f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"),
        ("ASSETRY_MONGODB_URL", f"kim:{SECRET}@host"),
        ("ASSETRY_MONGODB_URL", f"mongodb://kim:{SECRET}@"),
        ("ASSETRY_MONGODB_DATABASE", "a/b"),
        ("ASSETRY_MONGODB_TIMEOUT", "0"),
        ("ASSETRY_S3_URL", f"s3://kim:{SECRET}@host"),
        ("ASSETRY_S3_BUCKET", "No_Bucket"),
        ("ASSETRY_REDIS_URL", f"redis://:{SECRET}/@host"),
        ("ASSETRY_REDIS_PREFIX", "a b"),
        ("ASSETRY_JOBS_CONCURRENCY", "0"),
        ("ASSETRY_INDEX_PREFIX", "Assets"),
        ("ASSETRY_INDEX_SHARDS", "0"),
        ("ASSETRY_INDEX_REPLICAS", "-1"),
        ("ASSETRY_INDEX_REFRESH", "often"),
        ("ASSETRY_PUBLIC_URL", "https://example.org/"),
        ("ASSETRY_LOG_LEVEL", "loud"),
        ("ASSETRY_SECRET", SECRET),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as raised:
        load()
    assert SECRET not in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert len(str(raised.value)) < 500
    assert raised.value.setting == name


def test_a_file_behind_a_closed_door_is_a_fault_of_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is to the image's user when the file is mounted below somebody's home; root sees it all the same."""

    def closed(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_file", closed)
    with pytest.raises(SettingsError, match=r"ASSETRY_S3_CA: .* \(Permission denied\), not '/home/ops/ca\.pem'"):
        load(s3_ca="/home/ops/ca.pem")


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"s3_access_key": "a"}, "ASSETRY_S3_SECRET_KEY"),
        ({"s3_secret_key": SECRET}, "ASSETRY_S3_ACCESS_KEY"),
        ({"opensearch_user": "kim"}, "ASSETRY_OPENSEARCH_PASSWORD"),
        (
            {
                "opensearch_url": f"http://kim:{SECRET}@host:9200",
                "opensearch_user": "kim",
                "opensearch_password": SECRET,
            },
            "ASSETRY_OPENSEARCH_USER",
        ),
    ],
)
def test_settings_that_do_not_fit_together(given: dict[str, str], setting: str) -> None:
    with pytest.raises(SettingsError, match=setting) as raised:
        load(**given)
    assert SECRET not in str(raised.value)


def test_passwords_are_never_shown() -> None:
    settings = load(
        mongodb_url=f"mongodb://kim:{SECRET}@host",
        opensearch_url=f"http://kim:{SECRET}@host",
        s3_url=f"http://kim:{SECRET}@host",
        s3_access_key="key",
        s3_secret_key=SECRET,
        redis_url=f"redis://:{SECRET}@host",
        secret=SECRET * 4,
    )
    assert SECRET not in repr(settings) + str(settings)


def test_every_setting_is_described() -> None:
    page = render_reference()
    for name, field in Settings.model_fields.items():
        assert field.description
        assert f"`{variable(name)}`" in page
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert len(headings) == len(set(headings)) > 4, "settings of one group stand together"


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("ASSETRY_MONGO_URL", "mongodb://a", {"ASSETRY_MONGO_URL": "ASSETRY_MONGODB_URL"}),
        ("ASSETRY_OPENSEARCH_VERIFIY", "0", {"ASSETRY_OPENSEARCH_VERIFIY": "ASSETRY_OPENSEARCH_VERIFY"}),
        ("ASSETRY_ZZZ", "1", {"ASSETRY_ZZZ": None}),
        ("ASSETRY_PORT", "80", {}),
        ("assetry_port", "80", {}),
        ("ASSETRY_MONGO_URL", "", {}),
        ("OTHER_MONGO_URL", "x", {}),
        # What else is in the environment of who works on this, or has read `.env` into a shell.
        ("ASSETRY_TEST_MONGODB_URL", "mongodb://a", {}),
        ("ASSETRY_FAULT_RUNS", "9", {}),
        ("ASSETRY_PORTS", "8080-8082", {}),
        ("ASSETRY_VERSION", "local", {}),
        # What Kubernetes gives to every container beside services of these names: `assetry`, `assetry-api`.
        ("ASSETRY_SERVICE_HOST", "10.0.0.1", {}),
        ("ASSETRY_PORT_8080_TCP_ADDR", "10.0.0.1", {}),
        ("ASSETRY_API_PORT", "tcp://10.0.0.1:8080", {}),
        ("ASSETRY_API_SERVICE_PORT_HTTP", "8080", {}),
    ],
)
def test_a_mistyped_name_is_found(name: str, value: str, found: dict[str, str | None]) -> None:
    assert unknown({name: value}) == found


def test_a_setting_is_named_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSETRY_HOST", "localhost")
    found = load(port=1)
    assert (found.given_as("port"), found.given_as("host")) == ("--port", "ASSETRY_HOST")
    with pytest.raises(SettingsError, match=r"^--port: "):
        load(port=99_999)
    monkeypatch.setenv("ASSETRY_PORT", "99999")
    with pytest.raises(SettingsError, match=r"^ASSETRY_PORT: "):
        load()


MONGODB, OPENSEARCH, REDIS = (
    {"mongodb_url": "mongodb://m/"},
    {"opensearch_url": "http://o:9200"},
    {"redis_url": "redis://r/"},
)


@pytest.mark.parametrize(
    ("chosen", "roles"),
    [
        ({}, "api indexer worker"),
        (OPENSEARCH, "api indexer worker"),
        (OPENSEARCH | REDIS, "api indexer worker"),
        (MONGODB, "api indexer worker"),
        (MONGODB | OPENSEARCH, "api worker"),
        (MONGODB | REDIS, "api indexer"),
        (MONGODB | OPENSEARCH | REDIS, "api"),
        (OPENSEARCH | {"roles": "api"}, "api"),
        (OPENSEARCH | {"roles": " worker, api"}, "api worker"),
        (MONGODB | OPENSEARCH | REDIS | {"roles": "api,indexer,worker"}, "api indexer worker"),
    ],
    ids=str,
)
def test_on_sqlite_one_process_runs_everything_unless_it_is_told(chosen: dict[str, str], roles: str) -> None:
    assert " ".join(roles_of(load(**chosen))) == roles


@pytest.mark.parametrize("roles", ["indexer", "api,cook", ","])
def test_roles_that_serve_cannot_run_are_refused(roles: str) -> None:
    with pytest.raises(SettingsError, match=r"^--roles: "):
        load(roles=roles)


def test_a_secret_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("x" * 40 + "\n")
    monkeypatch.setenv("ASSETRY_SECRET_FILE", str(file))
    monkeypatch.setenv("ASSETRY_S3_SECRET_KEY_FILE", "")
    assert load().secret == "x" * 40
    assert unknown({"ASSETRY_SECRET_FILE": "a", "ASSETRY_PORT_FILE": "b"}) == {"ASSETRY_PORT_FILE": "ASSETRY_PORT"}
    monkeypatch.setenv("ASSETRY_SECRET", "y" * 40)
    with pytest.raises(SettingsError, match="Use only one"):
        load()


def test_a_file_of_a_secret_that_cannot_be_read_is_named_and_one_that_is_too_short_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    monkeypatch.setenv("ASSETRY_SECRET_FILE", str(file))
    with pytest.raises(SettingsError, match="ASSETRY_SECRET_FILE"):
        load()
    file.write_text(SECRET)
    with pytest.raises(SettingsError) as caught:
        load()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("origins", ["app.example.org", "https://a/b", "https://*.example.org", "*,https://a"])
def test_origins_are_checked(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    monkeypatch.setenv("ASSETRY_CORS_ORIGINS", origins)
    with pytest.raises(SettingsError, match="ASSETRY_CORS_ORIGINS"):
        load()
