"""Children inherit what a program needs, and no secret: each is asked for its environment."""

from __future__ import annotations

from multiprocessing import forkserver
from pathlib import Path

import pytest

from service.adapters.embedded_search.process import OsmemProcess
from service.child_environment import child_environment
from service.ingest.worker import IngestWorkers

SECRETS = {
    "ASSETRY_SECRET": "s" * 40,
    "ASSETRY_S3_SECRET_KEY": "s3",
    "AWS_SECRET_ACCESS_KEY": "aws",
    "MONGODB_PASSWORD": "m",
    "REDIS_URL": "redis://:password@x",
    "GITHUB_TOKEN": "g",
}


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def names_in(environ: bytes) -> set[str]:
    """Return the names of the variables that a process was started with."""
    return {entry.partition("=")[0] for entry in environ.decode().split("\0") if entry}


def test_no_secret_is_kept() -> None:
    kept = child_environment({**SECRETS, "PATH": "/bin", "LC_ALL": "C", "PYTHONPATH": "/x"})
    assert kept == {"PATH": "/bin", "LC_ALL": "C", "PYTHONPATH": "/x"}


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.usefixtures("secrets")
async def test_the_embedded_engine_inherits_no_secret() -> None:
    process = OsmemProcess()
    await process.start()
    try:
        assert process.pid is not None
        assert not names_in(Path(f"/proc/{process.pid}/environ").read_bytes()) & SECRETS.keys()
    finally:
        await process.close()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.usefixtures("secrets")
async def test_a_worker_inherits_no_secret() -> None:
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # one of an earlier test knows no secret of this one
    workers = IngestWorkers()
    try:
        inherited = names_in(await workers.run(Path.read_bytes, "x", Path("/proc/self/environ")))
    finally:
        await workers.close()
    assert "PATH" in inherited
    assert not inherited & SECRETS.keys()
