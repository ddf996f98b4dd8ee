"""The pictures of Pillow's own tests, imported by the command: odd, damaged and hostile files, each failure known.

They are in Pillow's source distribution, of the version that is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from service.ingest.extract import extract
from tests.support.processes import printed

pytestmark = [pytest.mark.corpus, pytest.mark.timeout(1200)]

VERSION = version("pillow")
FAILURES: dict[str, str] = {
    # Cut on purpose
    "broken.png": "malformed",
    "broken_data_stream.png": "malformed",
    "truncated_end_chunk.png": "malformed",
    "truncated_image.png": "malformed",
    "truncated_jpeg.jpg": "malformed",
    "ultrahdr.jpg": "malformed",
    "p_8.tga": "malformed",
    "expected_to_read.jp2": "malformed",
    "not_enough_data.jp2": "malformed",
    # Headers that contradict themselves
    "bmp/b/badbitcount.bmp": "malformed",
    "bmp/b/badheadersize.bmp": "malformed",
    "bmp/b/badpalettesize.bmp": "malformed",
    "combined_larger_than_size.psd": "malformed",
    "psd-large-bytecounts.psd": "malformed",
    "seek_too_large.tif": "malformed",
    "unbound_variable.jp2": "malformed",
    "zero_height.j2k": "malformed",
    "zero_width.gif": "malformed",
    # More pixels than anybody has
    "bmp/b/badwidth.bmp": "bomb",
    "bmp/b/reallybig.bmp": "bomb",
    "decompression_bomb.gif": "bomb",
    "decompression_bomb.ico": "bomb",
    # Not what their names say
    "l2rgb_read.bmp": "mismatch",
    "negative_size.ppm": "mismatch",
    "no_cursors.cur": "mismatch",
    "ossfuzz-4836216264589312.pcx": "mismatch",
}


@pytest.fixture(scope="module")
def pictures(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pictures, unpacked; the archive is kept in pytest's cache for the next run."""
    folder = tmp_path_factory.mktemp("pillow")
    with tarfile.open(_archive(pytestconfig)) as archive:
        wanted = [member for member in archive if "/Tests/images/" in member.name]
        archive.extractall(folder, members=wanted, filter="data")
    return folder / f"pillow-{VERSION}" / "Tests" / "images"


def _archive(pytestconfig: pytest.Config) -> Path:
    if given := os.environ.get("ASSETRY_TEST_PILLOW_SDIST"):
        return Path(given)
    cache = pytestconfig.cache
    assert cache is not None
    folder = cache.mkdir("pillow-sdist")
    path = folder / f"pillow-{VERSION}.tar.gz"
    if not path.is_file():
        # pip asks the archive for its metadata, but compiles nothing.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        done = subprocess.run(
            [*command, "--dest", str(folder), f"pillow=={VERSION}"], capture_output=True, text=True, check=False
        )
        if not path.is_file():
            pytest.skip(f"needs: the source distribution of pillow {VERSION}; {done.stderr.strip()[-300:]}")
    return path


def test_every_failure_is_known(pictures: Path, tmp_path: Path) -> None:
    summary: Any = printed("import", pictures, "--data", tmp_path / "data", code=1)
    failed = {str(Path(each["path"]).relative_to(pictures)): each["reason"] for each in summary["failed"]}
    assert failed == FAILURES
    files = [path for path in pictures.rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert summary["imported"] + summary["duplicates"] + len(failed) == len(files)
    assert all(each["message"].endswith((".", ")")) for each in summary["failed"])


def test_unsupported_variants_are_kept(pictures: Path) -> None:
    """Pillow refuses these, though nothing is wrong with them: their size and a warning are kept."""
    for name in ("bmp/q/rgb24png.bmp", "hopper_unknown_pixel_mode.tif", "unsupported_bitcount.dds", "unknown_mode.j2k"):
        found = extract(pictures / name, Path(name).name)
        assert found.metadata["width"] > 0, name
        assert any("not supported" in warning for warning in found.warnings), name
