"""Debian's drawings and photographs, counted by other means than the readers use."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from service.ingest.extract import extract
from service.ingest.facts import Extracted
from service.ingest.folder import SkippedPath, walk
from service.model import Metadata

DRAWINGS = Path("/usr/share/openclipart")
PHOTOGRAPHS = tuple(Path(path) for path in ("/usr/share/wallpapers", "/usr/share/backgrounds"))
DC, RDF = "{http://purl.org/dc/elements/1.1/}", "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"

pytestmark = [pytest.mark.corpus, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def drawings() -> list[tuple[Path, Extracted]]:
    if not DRAWINGS.is_dir():
        pytest.skip("the package openclipart-svg is not installed")
    return [(found.path, extract(found.path, found.path.name)) for found in walk([DRAWINGS])]


@pytest.fixture(scope="module")
def photographs() -> list[tuple[Path, Extracted]]:
    roots = [root for root in PHOTOGRAPHS if root.is_dir()]
    if not roots:
        pytest.skip(
            "the packages plasma-workspace-wallpapers, mate-backgrounds and gnome-backgrounds are not installed"
        )
    return [(found.path, extract(found.path, found.path.name)) for found in walk(roots)]


def keywords(path: Path) -> Iterator[str]:
    for subject in ElementTree.parse(path).iter(f"{DC}subject"):
        words = ((item.text or "").strip() for item in subject.iter(f"{RDF}li"))
        yield from (word for word in words if word)


def test_every_drawing_is_read_and_every_link_skipped(drawings: list[tuple[Path, Extracted]]) -> None:
    skipped: list[SkippedPath] = []
    assert len(list(walk([DRAWINGS], skipped.append))) == len(drawings)
    everything = list(DRAWINGS.rglob("*"))
    assert len(drawings) == sum(path.is_file() and not path.is_symlink() for path in everything)
    assert Counter(each.reason for each in skipped) == {"symlink": sum(path.is_symlink() for path in everything)}
    assert {found.mime_type for _, found in drawings} == {"image/svg+xml"}


def test_keywords_are_those_of_the_files(drawings: list[tuple[Path, Extracted]]) -> None:
    theirs = Counter(word for path, _ in drawings for word in set(keywords(path)))
    ours = Counter(tag for _, found in drawings for tag in found.tags)
    assert ours == theirs
    assert len(ours) > 2000


def test_creators_are_those_of_the_files(drawings: list[tuple[Path, Extracted]]) -> None:
    pattern = re.compile(r"<dc:creator>\s*<cc:Agent[^>]*>\s*<dc:title>\s*([^<]*?)\s*</dc:title>")
    theirs = {
        " ".join(match.split()) for path, _ in drawings for match in pattern.findall(path.read_text("utf-8", "replace"))
    }
    ours = {name for _, found in drawings for name in found.creator}
    plain = {name for name in theirs if name and "&" not in name and "\ufffd" not in name}
    assert plain <= ours
    assert len(ours - plain) < 20  # names with entities or in Latin-1


def test_only_drawings_without_any_size_have_none(drawings: list[tuple[Path, Extracted]]) -> None:
    sized = {"width", "height", "viewBox"}
    theirs = [path for path, _ in drawings if not sized & ElementTree.parse(path).getroot().attrib.keys()]
    assert [path for path, found in drawings if "width" not in found.metadata] == theirs


def test_photographs_are_what_pillow_says(photographs: list[tuple[Path, Extracted]]) -> None:
    pictures = [(path, found) for path, found in photographs if found.type == "image" and found.format != "svg"]
    assert len(pictures) > 50
    for path, found in pictures:
        with Image.open(path) as image:
            assert (found.metadata["width"], found.metadata["height"]) == image.size
            model = str(image.getexif().get(0x0110) or "").strip("\x00 ")
            taken = str(image.getexif().get_ifd(0x8769).get(0x9003) or "")
        assert found.metadata.get("camera_model", "") == model
        if re.fullmatch(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d", taken):
            day, clock = taken.split()
            assert (found.captured_at or "").startswith(f"{day.replace(':', '-')}T{clock}")


def test_the_record_takes_every_metadata(
    drawings: list[tuple[Path, Extracted]], photographs: list[tuple[Path, Extracted]]
) -> None:
    for _, found in drawings + photographs:
        assert Metadata.model_validate(found.metadata).file_size
