from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from service.demo.library import Manifest, Sample, make_library
from service.demo.scenes import SCENES, draw
from service.ingest.extract import extract
from service.ingest.facts import Extracted
from service.model import Metadata
from tests.support.examples import THOROUGH

COUNT = 60


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_library(tmp_path_factory.mktemp("library"), COUNT, seed=11)


@pytest.fixture(scope="module")
def read(library: Manifest) -> list[tuple[Sample, Extracted]]:
    return [(sample, extract(library.root / sample.path, Path(sample.path).name)) for sample in library.samples]


def test_the_files_are_those_of_the_manifest(library: Manifest) -> None:
    written = {path.relative_to(library.root).as_posix() for path in library.root.rglob("*") if path.is_file()}
    assert written == {sample.path for sample in library.samples}
    assert len(written) == COUNT
    contents = {hashlib.sha256((library.root / name).read_bytes()).digest() for name in written}
    assert len(contents) == COUNT
    assert [row["path"] for row in json.loads(library.to_json())] == sorted(written)


def test_every_fact_is_read_back(read: list[tuple[Sample, Extracted]]) -> None:
    for sample, found in read:
        assert found.warnings == (), sample.path
        assert (found.type, found.creator, found.tags) == (sample.type, sample.creator, sample.tags), sample.path
        assert (found.title or "", found.description) == (sample.title, sample.description), sample.path
        assert (found.license, found.captured_at, found.gps) == (sample.license, sample.captured_at, sample.gps), (
            sample.path
        )
        assert found.rating == sample.rating or sample.rating is None, sample.path
        assert sample.metadata.items() <= found.metadata.items(), sample.path


def test_the_record_takes_every_metadata(read: list[tuple[Sample, Extracted]]) -> None:
    for _, found in read:
        assert Metadata.model_validate(found.metadata).format == found.format


def test_every_kind_is_there(read: list[tuple[Sample, Extracted]]) -> None:
    formats = Counter(found.format for _, found in read)
    assert set(formats) == {"jpg", "png", "webp", "gif", "tiff", "svg", "pdf", "md", "txt", "wav"}
    models = {found.metadata["model"] for _, found in read if "model" in found.metadata}
    assert {"stable-diffusion-xl", "dalle-3"} <= models
    assert len({found.metadata["camera_make"] for _, found in read if "camera_make" in found.metadata}) >= 4
    assert sum(found.gps is not None for _, found in read) > 5


def test_the_same_seed_gives_the_same_bytes(library: Manifest, tmp_path: Path) -> None:
    again = make_library(tmp_path, COUNT // 3, seed=11)
    assert len(again.samples) == COUNT // 3
    assert all(sample in library.samples for sample in again.samples)
    for sample in again.samples:
        first, second = ((root / sample.path).read_bytes() for root in (library.root, tmp_path))
        assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest(), sample.path


def test_another_seed_gives_another_library(library: Manifest, tmp_path: Path) -> None:
    assert make_library(tmp_path, 5, seed=12).samples != library.samples[:5]


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    make_library(tmp_path, 3, progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("scene", sorted(SCENES))
@pytest.mark.parametrize("mood", ["dawn", "noon", "dusk", "night"])
@pytest.mark.parametrize("size", [(160, 90), (64, 120)])
def test_scenes_are_pictures_of_their_own(scene: str, mood: str, size: tuple[int, int]) -> None:
    pictures = [draw(scene, size, mood, Random(seed)) for seed in range(5 if THOROUGH else 2)]
    for picture in pictures:
        assert (picture.mode, picture.size) == ("RGB", size)
        assert len(picture.getcolors(size[0] * size[1]) or ()) > 3
    assert pictures[0].tobytes() != pictures[1].tobytes()
