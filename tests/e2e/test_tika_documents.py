"""The documents of Apache Tika's own tests, imported by the command: all kinds of formats, damaged files, passwords.

They are in the archive of tests that the project publishes to Maven Central. What is read from them is compared with
what exiftool says.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scripts.enginelib.faults import Failed, Missing
from scripts.enginelib.maven import Artifact, fetched
from service.ingest.extract import extract
from service.ingest.facts import Extracted
from service.model import Metadata
from tests.support.processes import printed

pytestmark = [pytest.mark.corpus, pytest.mark.timeout(1200)]

DOCUMENTS = Artifact("org.apache.tika", "tika-parsers", "1.28.5", "jar", "tests")
FAILURES = {
    "testAVIF.avif": "malformed",  # exiftool: "Truncated 'meta' data (missing 89 bytes)"
    "testMP3truncated.mp3": "malformed",
    "testMP4_truncated.m4a": "malformed",
    "testWORD_truncated.docx": "malformed",
}
PASSWORDS = frozenset({
    "protect.xlsx", "protectedFile.xlsx", "testEXCEL_protected_passtika.xls", "testEXCEL_protected_passtika.xlsx",
    "testEXCEL_protected_passtika_2.xlsx", "testODTEncrypted.odt", "testPPT_protected_passtika.ppt",
    "testPPT_protected_passtika.pptx", "testWORD_protected_passtika.doc", "testWORD_protected_passtika.docx",
    "testPDF_no_extract_no_accessibility_owner_user.pdf", "testPDF_no_extract_yes_accessibility_owner_user.pdf",
})  # fmt: skip


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the documents, unpacked; the archive stays in Maven's repository or in the cache."""
    try:
        path = fetched(DOCUMENTS)
    except (Missing, Failed) as fault:
        pytest.skip(f"needs: Apache Tika's documents; {fault}")
    folder = tmp_path_factory.mktemp("tika")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith("test-documents/")])
    return folder / "test-documents"


def files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def named(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


@cache
def readable(folder: Path) -> dict[str, Extracted]:
    return {name: extract(path, path.name) for path in files(folder) if (name := named(folder, path)) not in FAILURES}


def test_every_failure_is_known(documents: Path, tmp_path: Path) -> None:
    summary: Any = printed("import", documents, "--data", tmp_path / "data", code=1)
    assert {named(documents, Path(each["path"])): each["reason"] for each in summary["failed"]} == FAILURES
    assert all(each["message"].endswith(".") for each in summary["failed"])
    assert summary["imported"] + summary["duplicates"] + len(FAILURES) == len(list(files(documents))) > 800


def test_a_password_is_said_and_the_file_kept(documents: Path) -> None:
    said = {name for name, found in readable(documents).items() if "password" in "".join(found.warnings)}
    assert said == PASSWORDS
    assert {readable(documents)[name].type for name in said} == {"document", "pdf"}


def test_nothing_else_is_called_damaged(documents: Path) -> None:
    """One picture has an odd block of metadata, which may be left out."""
    warned = {name: found.warnings for name, found in readable(documents).items() if "damaged" in str(found.warnings)}
    assert set(warned) <= {"testJPEG_oddTagComponent.jpg"}, warned


def test_the_record_takes_all_of_it(documents: Path) -> None:
    for found in readable(documents).values():
        assert Metadata.model_validate(found.metadata).file_size is not None


# What we read differently from exiftool, and why.
EXCEPTIONS = {
    "testRTF-ms932.rtf": "exiftool does not know the code page, which is Japanese",
    "testWORD_multi_authors.doc": "three authors, parted by semicolons",
    "testPDF_twoAuthors.pdf": "the packet has two authors, the dictionary one",
    "testPDF_diffTitles.pdf": "the packet has two authors, the dictionary one",
    "testPDF_bad_page_303226.pdf": "exiftool does not read beyond the damage",
    "testPDFFileEmbInAnnotation_noContents.pdf": "exiftool does not find the dictionary",
    "testPDFTripleLangTitle.pdf": "exiftool does not give the author",
}
KINDS = frozenset({"PDF", "RTF", "DOC", "XLS", "XLT", "PPT", "HTML"})


def plain(value: object) -> str:
    return " ".join(str(value or "").split())


def test_documents_are_what_exiftool_says(documents: Path) -> None:
    """Title, author and creation of old Office, RTF, PDF and HTML; exiftool wants more packages for zipped formats."""
    if shutil.which("exiftool") is None:
        pytest.skip("needs: apt-get install libimage-exiftool-perl")
    tags = ("-FileType", "-Title", "-Author", "-CreateDate")
    command = ["exiftool", "-json", "-q", "-q", "-r", "-charset", "filename=utf8", *tags, "."]
    done = subprocess.run(command, cwd=documents, capture_output=True, text=True, check=False)
    compared = 0
    for theirs in json.loads(done.stdout):
        name = theirs["SourceFile"].removeprefix("./")
        if theirs.get("FileType") not in KINDS or name in FAILURES or name in EXCEPTIONS:
            continue
        found = readable(documents)[name]
        authors = theirs.get("Author") or []
        assert plain(found.title) == plain(theirs.get("Title")), name
        assert [plain(one) for one in (authors if isinstance(authors, list) else [authors])] == list(found.creator), (
            name
        )
        if moment := theirs.get("CreateDate"):
            assert (found.captured_at or "").startswith(f"{moment[:10].replace(':', '-')}T{moment[11:16]}"), name
        compared += 1
    assert compared > 150
