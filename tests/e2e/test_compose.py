"""`compose.yaml`, `Dockerfile` and `scripts/env` against each other and the service, without a Docker engine."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from scripts.enginelib.containers import IMAGES
from service.cli.main import app
from service.ingest.limits import DEFAULT, MIB, sized
from service.settings import PREFIX, Settings, load

ROOT = Path(__file__).resolve().parents[2]
ENGINES = {"mongodb", "opensearch", "minio", "redis"}
ROLES = {"api": ["serve"], "indexer": ["index", "follow"], "worker": ["work"], "init": ["db", "init"]}
COMPOSE: Mapping[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]

OPTIONAL = {"${ASSETRY_SECRET_PREVIOUS:-}"}
"""Secrets that most installations do not have."""

_VARIABLE = re.compile(r"\$\{([A-Z_0-9]+)(?:(:[-?])([^}]*))?\}")
_SECRET = re.compile(r"PASSWORD|SECRET|KEY|AUTH", re.IGNORECASE)


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `scripts/env` writes."""
    file = tmp_path_factory.mktemp("compose") / ".env"
    subprocess.run([sys.executable, ROOT / "scripts" / "env", file], check=True, capture_output=True)
    return file


def _values(env: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in env.read_text().splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in lines}


def _texts(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Fill in the variables of a text as Compose does."""
    return _VARIABLE.sub(lambda m: values.get(m[1]) or (m[3] if m[2] == ":-" else ""), text)


def test_everything_that_the_service_needs_is_there() -> None:
    assert set(SERVICES) == ENGINES | set(ROLES)


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_watched_bounded_and_hardened(name: str) -> None:
    service = SERVICES[name]
    if name == "init":
        assert service["healthcheck"] == {"disable": True}  # it ends
    else:
        assert set(service["healthcheck"]) >= {"test", "interval", "timeout", "retries", "start_period"}
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is (name != "opensearch")
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_written_down_and_none_has_a_default(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if _SECRET.search(variable) and not variable.endswith("ACCESS_KEY") and value not in OPTIONAL:
            assert ":?" in value, f"{variable} must be required"
        for found in _VARIABLE.finditer(str(value)):
            assert not _SECRET.search(found[1]) or found[2] == ":?" or found[0] in OPTIONAL, found[0]
        assert not re.search(r"://[^$@/]*:[^$@/]+@", str(value)), f"{variable} holds a password"


def test_what_is_read_only_gets_no_files_from_compose() -> None:
    """Compose copies the content of `configs` into a container, and refuses to start one that is read-only."""
    for name, service in SERVICES.items():
        given = [*service.get("configs", ()), *service.get("secrets", ())]
        assert not service["read_only"] or not given, name


@pytest.mark.parametrize(
    ("name", "program", "files"),
    [
        ("mongodb", "docker-entrypoint.sh", {"/tmp/key": "MONGODB_KEY", "/docker-entrypoint-initdb.d/user.js": "USER"}),
        ("redis", "redis-server", {"/tmp/redis.conf": "REDISCLI_AUTH"}),
    ],
)
def test_an_engine_writes_its_secrets_down_for_itself_alone(
    name: str, program: str, files: Mapping[str, str], env: Path, tmp_path: Path
) -> None:
    service, values = SERVICES[name], _values(env)
    given = {key: _filled(value, values) for key, value in service["environment"].items()}
    stub = tmp_path / program
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stub.chmod(0o755)
    places = {path: tmp_path / str(number) / path.rpartition("/")[2] for number, path in enumerate(files)}
    words = [word.replace("$$", "$") for word in service["entrypoint"]]
    for path, place in places.items():
        assert any(path.startswith(held.partition(":")[0] + "/") for held in service["tmpfs"])
        place.parent.mkdir()
        words = [word.replace(path, str(place)) for word in words]
    command = [*words, *(_filled(word, values) for word in service["command"])]
    path = f"{tmp_path}:/usr/bin:/bin"
    done = subprocess.run(command, env=given | {"PATH": path}, capture_output=True, text=True, check=True)
    assert [word for word in service["command"] if "$" not in word][-1] in done.stdout
    for where, variable in files.items():
        assert stat.S_IMODE(places[where].stat().st_mode) == 0o600
        secret = next(value for key, value in given.items() if key.endswith(variable))
        assert secret in places[where].read_text()
        assert secret not in done.stdout


def test_the_service_has_a_user_of_its_own_in_minio_that_may_use_its_bucket_alone(env: Path, tmp_path: Path) -> None:
    values = _values(env)
    given = {key: _filled(value, values) for key, value in SERVICES["minio"]["environment"].items()}
    service = SERVICES["api"]["environment"]
    assert service["ASSETRY_S3_ACCESS_KEY"] != given["MINIO_ROOT_USER"]
    assert _filled(service["ASSETRY_S3_SECRET_KEY"], values) == given["MINIO_PASSWORD"] != given["MINIO_ROOT_PASSWORD"]
    (statement,) = json.loads(given["MINIO_POLICY"])["Statement"]
    assert set(statement["Resource"]) == {"arn:aws:s3:::assetry", "arn:aws:s3:::assetry/*"}
    log = tmp_path / "log"
    stub = tmp_path / "mc"
    stub.write_text(f'#!/bin/sh\necho "mc $*" >> {log}\n[ "$1" != ls ] || exit 1\n[ "$3" != add ] || cat >> {log}.in\n')
    stub.chmod(0o755)
    script = given["MINIO_HEALTH"].replace("$$", "$").replace("/tmp/policy.json", str(tmp_path / "policy.json"))
    subprocess.run(["sh", "-c", script], env=given | {"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
    calls = log.read_text()
    assert "mc admin policy attach root assetry --user assetry" in calls
    assert not any(secret in calls for secret in (given["MINIO_PASSWORD"], given["MINIO_ROOT_PASSWORD"]))
    assert Path(f"{log}.in").read_text() == f"assetry\n{given['MINIO_PASSWORD']}\n"
    assert (tmp_path / "policy.json").read_text() == given["MINIO_POLICY"]


def test_the_memory_of_the_workers_fits_the_container() -> None:
    for name in ("api", "worker"):
        text = _filled(SERVICES[name]["deploy"]["resources"]["limits"]["memory"], {})
        memory = int(text.removesuffix("m")) * MIB
        cores = int(SERVICES[name]["deploy"]["resources"]["limits"]["cpus"])
        limits = sized(DEFAULT, workers=cores, memory=memory // 2)
        assert limits.workers * limits.memory_bytes <= memory // 2


def test_only_the_api_is_published_and_only_where_the_operator_says() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"api"}
    assert SERVICES["api"]["ports"] == ["${ASSETRY_BIND:-127.0.0.1}:${ASSETRY_PORTS:-8080}:8080"]
    assert COMPOSE["networks"]["engines"]["internal"] is True
    for name in ENGINES:
        assert SERVICES[name]["networks"] == ["engines"]


def test_what_must_be_kept_is_in_a_volume_with_a_name() -> None:
    for name in ENGINES:
        kept = [volume.split(":")[0] for volume in SERVICES[name]["volumes"]]
        assert kept
        assert set(kept) <= set(COMPOSE["volumes"])


def test_images_are_pinned_and_those_of_the_tests() -> None:
    for name in ENGINES:
        image = SERVICES[name]["image"]
        assert image == IMAGES[name].image
        assert re.search(r":[A-Za-z.]*\d[\w.-]+$", image), f"{image} is not one version"
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("FROM"):
            assert re.fullmatch(r"FROM python:3\.\d+\.\d+-slim-\w+( AS build)?", line)


@pytest.mark.parametrize(("name", "words"), ROLES.items())
def test_each_role_is_a_command_that_exists(name: str, words: list[str]) -> None:
    assert SERVICES[name]["command"] == words
    command: Any = get_command(app)
    for word in words:
        command = command.commands[word]
    assert command.help


@pytest.mark.parametrize("name", ROLES)
def test_the_settings_exist_and_fit_together(name: str, env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {key: _filled(value, _values(env)) for key, value in SERVICES[name]["environment"].items()}
    assert {key.removeprefix(PREFIX).lower() for key in given} <= set(Settings.model_fields)
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    settings = load()
    chosen = (settings.mongodb_url, settings.opensearch_url, settings.s3_url, settings.redis_url)
    assert [str(url).rpartition("@")[2].rpartition("//")[2].split(":")[0] for url in chosen] == [
        "mongodb",
        "opensearch",
        "minio",
        "redis",
    ]
    assert len(str(settings.secret)) >= 32
    assert settings.public_url is None


def test_a_container_has_more_time_to_end_than_the_service_takes() -> None:
    for name in ("api", "indexer", "worker"):
        grace = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
        assert grace > int(SERVICES[name]["environment"]["ASSETRY_SHUTDOWN_SECONDS"])


def test_the_roles_wait_for_their_engines() -> None:
    for name in ("api", "indexer", "worker"):
        waits = {engine: how["condition"] for engine, how in SERVICES[name]["depends_on"].items()}
        assert waits == dict.fromkeys(ENGINES, "service_healthy") | {"init": "service_completed_successfully"}
    assert set(SERVICES["init"]["depends_on"]) <= ENGINES


def test_the_image_is_small_in_rights() -> None:
    text = (ROOT / "Dockerfile").read_text()
    last = text[text.rindex("\nFROM") :]
    assert re.search(r"^USER \d+:\d+$", last, re.MULTILINE)
    assert 'ENTRYPOINT ["assetry"]' in last
    assert "HEALTHCHECK" in last
    assert "apt-get" not in text
    settings = {name.lower() for name in re.findall(rf"\b{PREFIX}([A-Z_]+)=", text)}
    assert settings <= set(Settings.model_fields)


def test_the_image_is_made_of_what_is_packaged() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        word
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert "*" in lines
    assert kept == copied
    assert all((ROOT / name).exists() for name in kept)


def test_the_secrets_are_random_private_and_never_overwritten(env: Path, tmp_path: Path) -> None:
    other = tmp_path / ".env"
    command = [sys.executable, str(ROOT / "scripts" / "env"), str(other)]
    subprocess.run(command, check=True, capture_output=True)
    assert stat.S_IMODE(other.stat().st_mode) == 0o600
    assert not set(_values(env).values()) & set(_values(other).values())
    assert all(re.fullmatch(r"[0-9a-f]{48,}", value) for value in _values(other).values())
    before = other.read_text()
    again = subprocess.run(command, check=False, capture_output=True, text=True)
    assert again.returncode == 1
    assert "was not changed" in again.stderr
    assert other.read_text() == before


def test_the_secrets_are_the_ones_that_are_asked_for(env: Path) -> None:
    found = [match for text in _texts(COMPOSE) for match in _VARIABLE.finditer(text)]
    assert {match[1] for match in found if match[2] == ":?"} == set(_values(env))
    optional = set(re.findall(r"^#([A-Z_]+)=", env.read_text(), re.MULTILINE))
    assert {match[1] for match in found if match[2] == ":-"} == optional


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0,
    reason="docker has no `compose` here, which reads the file as it will be run",
)
def test_compose_itself_takes_the_file(env: Path) -> None:
    command = ["docker", "compose", "--file", str(ROOT / "compose.yaml"), "--env-file", str(env), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
