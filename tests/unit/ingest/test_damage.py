"""Damaged copies of good files: each is read or refused, never anything else."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from service.demo.library import Manifest, make_library
from service.errors import IngestError
from service.ingest.extract import extract
from service.ingest.limits import IngestLimits
from service.ingest.renditions import RENDERED, thumbnail
from service.model import Metadata

ROUNDS = 25
LIMITS = IngestLimits(image_pixels=5_000_000)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_library(tmp_path_factory.mktemp("whole"), 12, seed=3)


def damaged(content: bytes, rng: Random) -> bytes:
    """Cut it, overwrite some bytes (mostly in the headers), or repeat a part."""
    kind = rng.randrange(4)
    if kind == 0:
        return content[: rng.randrange(len(content))]
    if kind == 1:
        at, length = rng.randrange(len(content)), rng.randrange(1, 200)
        return content[:at] + content[at : at + length] * 3 + content[at + length :]
    spoiled = bytearray(content)
    reach = len(content) if kind == 2 else min(len(content), 2000)
    for _ in range(rng.randrange(1, 30)):
        spoiled[rng.randrange(reach)] = rng.randrange(256)
    return bytes(spoiled)


@pytest.mark.parametrize("number", range(12))
def test_damage_is_read_or_refused(library: Manifest, tmp_path: Path, number: int) -> None:
    sample = library.samples[number]
    content, name = (library.root / sample.path).read_bytes(), Path(sample.path).name
    rng, path = Random(number), tmp_path / "upload"
    refusals: list[IngestError] = []
    for _ in range(ROUNDS):
        path.write_bytes(damaged(content, rng))
        try:
            found = extract(path, name, LIMITS)
            json.dumps(found.metadata, allow_nan=False).encode()
            Metadata.model_validate(found.metadata)
            if found.format in RENDERED:
                thumbnail(path, name, found.format, 64, LIMITS)
        except IngestError as error:
            refusals.append(error)
    assert all(refusal.filename == name and str(tmp_path) not in refusal.message for refusal in refusals)
