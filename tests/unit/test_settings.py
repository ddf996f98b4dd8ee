from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import SettingsError
from service.settings import Settings, load, render_reference


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSETRY_PORT", "9000")
    monkeypatch.setenv("ASSETRY_DATA", "/somewhere")
    settings = load(port=9001, host=None)
    assert (settings.port, settings.data, settings.host) == (9001, Path("/somewhere"), "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ASSETRY_PORT", "99999"),
        ("ASSETRY_PORT", "eighty"),
        ("ASSETRY_OPENSEARCH_URL", "localhost:9200"),
        ("ASSETRY_INDEX_PREFIX", "Assets"),
        ("ASSETRY_INDEX_REFRESH", "often"),
        ("ASSETRY_PUBLIC_URL", "https://example.org/"),
        ("ASSETRY_LOG_LEVEL", "loud"),
        ("ASSETRY_SECRET", "short"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as raised:
        load()
    assert name != "ASSETRY_SECRET" or value not in str(raised.value)


def test_every_setting_is_described() -> None:
    page = render_reference()
    for name, field in Settings.model_fields.items():
        assert field.description
        assert f"`ASSETRY_{name.upper()}`" in page
