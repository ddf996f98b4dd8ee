"""Real libraries: Debian's drawings and photographs, imported by the command, searched over HTTP.

What searches return is compared with counts taken from the files by other means: plain XML and exiftool.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from tests.support.processes import Served, printed, served

DRAWINGS = Path("/usr/share/openclipart/svg")
PHOTOGRAPHS = (Path("/usr/share/wallpapers"), Path("/usr/share/backgrounds"))
NEEDED = "apt-get install openclipart-svg plasma-workspace-wallpapers mate-backgrounds gnome-backgrounds"
PICTURES = {".jpg", ".jpeg", ".png", ".webp"}

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (DRAWINGS.is_dir() and all(folder.is_dir() for folder in PHOTOGRAPHS)), reason=f"needs: {NEEDED}"
    ),
]

_DC = "{http://purl.org/dc/elements/1.1/}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_CC = ("{http://web.resource.org/cc/}", "{http://creativecommons.org/ns#}")


def _files(*folders: Path) -> list[Path]:
    """Return the regular files below the folders, equal ones once."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            linked = any(parent.is_symlink() for parent in [path, *path.parents])
            if path.is_file() and not linked and not hidden:
                found.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
    return list(found.values())


@dataclass(frozen=True)
class Drawing:
    tags: frozenset[str]
    creators: frozenset[str]


def _drawing(path: Path) -> Drawing:
    root = ElementTree.parse(path).getroot()
    tags = {(item.text or "").strip() for subject in root.iter(f"{_DC}subject") for item in subject.iter(f"{_RDF}li")}
    creators = {
        (title.text or "").strip()
        for creator in root.iter(f"{_DC}creator")
        for cc in _CC
        for agent in creator.iter(f"{cc}Agent")
        for title in agent.iter(f"{_DC}title")
    }
    return Drawing(frozenset(tags - {""}), frozenset(creators - {""}))


class Truth:
    """What the files say, by means that share nothing with the importer."""

    @cached_property
    def files(self) -> list[Path]:
        return _files(DRAWINGS, *PHOTOGRAPHS)

    @cached_property
    def drawings(self) -> list[Drawing]:
        return [_drawing(path) for path in _files(DRAWINGS)]

    @cached_property
    def photographs(self) -> list[dict[str, Any]]:
        """exiftool's words on each picture of the wallpapers."""
        if shutil.which("exiftool") is None:
            pytest.skip("needs: apt-get install libimage-exiftool-perl")
        paths = [path for path in _files(*PHOTOGRAPHS) if path.suffix.lower() in PICTURES]
        names = "ImageWidth ImageHeight Make Model DateTimeOriginal GPSLatitude GPSLongitude ISO".split()
        command = ["exiftool", "-json", "-n", *(f"-{name}" for name in names), *map(str, paths)]
        facts: list[dict[str, Any]] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        return facts


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth()


@dataclass
class Library:
    service: Served
    client: httpx.Client
    summary: Any

    def search(self, query: str, **params: Any) -> Any:
        answer = self.client.get("/assets/search/facets", params={"query": query, "limit": 0, **params})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def total(self, query: str, **filters: Any) -> int:
        return int(self.search(query, filters=json.dumps(filters))["total_count"])

    def all(self, query: str) -> list[Any]:
        results: list[Any] = []
        while len(results) < (page := self.search(query, limit=100, offset=len(results), sort="number"))["total_count"]:
            results += page["results"]
        return results


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    data = tmp_path_factory.mktemp("corpus") / "data"
    summary = printed("import", DRAWINGS, *PHOTOGRAPHS, "--data", data)
    with served(data) as service:
        service.until_ready()
        with service.client("assets:read") as client:
            yield Library(service, client, summary)


def test_the_import_takes_them_all(library: Library, truth: Truth) -> None:
    assert library.summary["failed"] == []
    assert library.summary["imported"] == len(truth.files)
    assert library.total("") == len(truth.files)
    assert library.total("type:image mime_type:image/svg+xml", source_path={"exists": True}) >= 7458


def test_importing_again_adds_nothing(library: Library, truth: Truth) -> None:
    again = printed("import", DRAWINGS, *PHOTOGRAPHS, "--data", library.service.data)
    assert (again["imported"], again["failed"]) == (0, [])
    assert again["duplicates"] == library.summary["imported"] + library.summary["duplicates"]


def test_tags_of_the_drawings(library: Library, truth: Truth) -> None:
    """Facets fold case, as `tags:` does: spellings that differ in case alone count together."""
    counts = Counter(tag for drawing in truth.drawings for tag in {tag.casefold() for tag in drawing.tags})
    facets = library.search("mime_type:image/svg+xml", facets="tags")["facets"]["tags"]
    for tag, count in facets.items():
        assert counts[tag.casefold()] == count, tag
    top = [tag for tag, count in counts.most_common() if count > min(facets.values())]
    assert {tag.casefold() for tag in facets} >= set(top), "no frequent tag is missing"
    for tag, count in [*counts.most_common(25), *counts.most_common()[200:2000:90]]:
        assert library.total("", tags=tag, mime_type="image/svg+xml") == count, tag


def test_creators_of_the_drawings(library: Library, truth: Truth) -> None:
    counts = Counter(name for drawing in truth.drawings for name in {name.casefold() for name in drawing.creators})
    assert len(counts) > 400
    for name, count in [*counts.most_common(15), *counts.most_common()[50:400:35]]:
        assert library.total("", creator=name, mime_type="image/svg+xml") == count, name


def test_drawings_with_and_without_tags(library: Library, truth: Truth) -> None:
    tagged = sum(bool(drawing.tags) for drawing in truth.drawings)
    assert library.total("mime_type:image/svg+xml has:tags NOT source_path:*.webp tags:*") >= tagged
    assert library.total("mime_type:image/svg+xml AND tags:flag AND tags:country") == sum(
        {"flag", "country"} <= {tag.casefold() for tag in drawing.tags} for drawing in truth.drawings
    )


def test_sizes_of_the_photographs(library: Library, truth: Truth) -> None:
    sizes = Counter((fact["ImageWidth"], fact["ImageHeight"]) for fact in truth.photographs)
    pictures = "mime_type:(image/jpeg OR image/png OR image/webp)"
    assert library.total(pictures) == len(truth.photographs)
    for (width, height), count in sizes.items():
        assert library.total(f"{pictures} width:{width} height:{height}") == count
    wide = sum(fact["ImageWidth"] >= 3000 for fact in truth.photographs)
    assert library.total(f"{pictures} width:>=3000") == wide


def test_cameras_of_the_photographs(library: Library, truth: Truth) -> None:
    models = Counter(str(fact["Model"]).strip() for fact in truth.photographs if fact.get("Model"))
    assert sum(models.values()) >= 20
    assert library.search("", facets="camera_model")["facets"]["camera_model"] == dict(models.most_common())
    for model, count in models.items():
        assert library.total("", camera_model=model) == count
    canon = sum("canon" in str(fact.get("Make", "")).lower() for fact in truth.photographs)
    assert library.total("camera:canon") == canon > 0
    iso = sum(fact.get("ISO") == 100 for fact in truth.photographs)
    assert library.total("iso:100") == iso > 0


def test_when_the_photographs_were_taken(library: Library, truth: Truth) -> None:
    taken = [str(fact["DateTimeOriginal"]) for fact in truth.photographs if fact.get("DateTimeOriginal")]
    years = Counter(text[:4] for text in taken if text[:4].isdigit() and text[:4] > "1900")
    for year, count in years.items():
        assert library.total(f"camera:* captured_at:{year}") <= count
        found = library.all(f"has:camera_make captured_at:{year}")
        assert {asset["captured_at"][:4] for asset in found} <= {year}
    months = Counter(text[:7].replace(":", "-") for text in taken if text[:4] in years)
    pictures = "mime_type:(image/jpeg OR image/png OR image/webp) has:captured_at"
    facet = library.search(pictures, facets="captured_at")["facets"]["captured_at"]
    assert sum(facet.values()) >= sum(months.values())
    for month, count in months.items():
        assert facet[month] >= count


def test_where_the_photographs_were_taken(library: Library, truth: Truth) -> None:
    placed = [fact for fact in truth.photographs if fact.get("GPSLatitude") is not None]
    assert len(placed) >= 2
    found = library.all("has:gps")
    assert len(found) == len(placed)
    assert sorted(round(asset["gps"]["lat"], 5) for asset in found) == sorted(
        round(fact["GPSLatitude"], 5) for fact in placed
    )


def test_thumbnails_of_drawings_and_photographs(library: Library) -> None:
    for query in ("mime_type:image/svg+xml", "camera:canon", "mime_type:image/webp"):
        for asset in library.search(query, limit=5)["results"]:
            answer = httpx.get(asset["urls"]["thumbnail"], timeout=60)
            assert answer.status_code == 200, asset["filename"]
            assert answer.headers["content-type"] in ("image/jpeg", "image/webp")
