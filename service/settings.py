"""Every setting, as one described table. ``docs/ref-settings.md`` is generated from it.

Values come from the environment (``ASSETRY_…``), then from the command line's options, which win. Nothing is read
at import.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import SettingsError

PREFIX = "ASSETRY_"


class Settings(BaseSettings):
    """What an operator can choose. Each field's description says what it does, in which unit."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    data: Annotated[Path, Field(description="Folder of the embedded store, the files and the signing secret.")] = Path(
        "assetry-data"
    )
    host: Annotated[str, Field(description="Address that the service listens on.")] = "127.0.0.1"
    port: Annotated[int, Field(description="Port that the service listens on; 0 takes a free one.", ge=0, le=65535)] = (
        8080
    )
    public_url: Annotated[
        str | None,
        Field(
            description="Base of URLs in answers, such as `https://assets.example.org`; unset: the request's host.",
            pattern=r"^https?://[^/\s]+(/[^\s]*[^/\s])?$",
        ),
    ] = None
    opensearch_url: Annotated[
        str | None,
        Field(
            description="An OpenSearch to use; unset: the embedded engine, a child with its index in memory.",
            pattern=r"^https?://\S+$",
        ),
    ] = None
    index_prefix: Annotated[
        str,
        Field(description="What the names of indexes and the alias start with.", pattern=r"^[a-z][a-z0-9_-]{0,63}$"),
    ] = "assets"
    index_refresh: Annotated[
        str,
        Field(
            description="How often new documents become searchable, in the engine's time units.",
            pattern=r"^[1-9][0-9]*(ms|s)$",
        ),
    ] = "500ms"
    index_batch: Annotated[int, Field(description="Documents in one bulk request at most.", ge=1, le=10_000)] = 500
    json_limit: Annotated[int, Field(description="Largest JSON request body, in bytes.", ge=1024)] = 1024 * 1024
    upload_limit: Annotated[int, Field(description="Largest uploaded file, in bytes.", ge=1024)] = 5 * 1024**3
    link_ttl: Annotated[
        int, Field(description="How long a signed file link is good at least, in seconds.", ge=60, le=7 * 86_400)
    ] = 86_400
    ingest_workers: Annotated[
        int, Field(description="Worker processes that read and render files; 0: one a core.", ge=0, le=64)
    ] = 0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="What is logged at least.")
    ] = "info"
    log_format: Annotated[
        Literal["json", "text"], Field(description="`json`: an object a line; `text`: for people's eyes.")
    ] = "json"
    secret: Annotated[
        str | None,
        Field(
            description="Signs links, cursors and tokens, 32 characters or more; unset: one kept in the data folder.",
            min_length=32,
        ),
    ] = None


def load(**overrides: object) -> Settings:
    """Read the settings from the environment; ``overrides`` that are not None win.

    Raises:
        SettingsError: a value is wrong; the message names the variable and what it takes.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        doc = Settings.model_fields[name].description if name in Settings.model_fields else ""
        shown = "(secret)" if name == "secret" else repr(first.get("input"))
        raise SettingsError(PREFIX + name.upper(), f"{first['msg']}, not {shown}. {doc}") from None


def render_reference() -> str:
    """Return ``docs/ref-settings.md``: a table of every setting."""
    rows = [
        "# Settings",
        "",
        "Generated from `service/settings.py` by `scripts/docs`; do not edit.",
        "",
        "Each is an environment variable; options of the command line with the same name win over it.",
        "",
        "| variable | default | what it does |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = "unset" if field.default is None else f"`{field.default}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows) + "\n"
