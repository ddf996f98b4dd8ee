from __future__ import annotations

from pathlib import Path

import pytest

from service.ingest.extract import extract
from service.ingest.facts import Extracted
from service.ingest.limits import DEFAULT, IngestLimits
from service.ingest.readers.documents import text as reader


def read(tmp_path: Path, name: str, content: str | bytes, limits: IngestLimits = DEFAULT) -> Extracted:
    path = tmp_path / "upload"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return extract(path, name, limits)


@pytest.mark.parametrize(
    ("name", "content", "title", "words"),
    [
        ("a.txt", "one two\nthree", None, 3),
        ("a.txt", "", None, 0),
        ("a.txt", " \n\t ", None, 0),
        ("a.md", "intro\n\n# The title #\n\n## Part\n", "The title", 7),
        ("a.md", "```sh\n# a comment\n```\n# Real\n", "Real", 7),
        ("a.md", "## only parts\n", None, 3),
        ("a.html", "<html><title>A &amp; B</title></html>", "A & B", 3),
        ("a.txt", "caf\xe9 cr\xe8me".encode("latin-1"), None, 2),
        ("a.txt", "zwei Wörter".encode("utf-16"), None, 2),
    ],
)
def test_titles_and_words(tmp_path: Path, name: str, content: str | bytes, title: str | None, words: int) -> None:
    found = read(tmp_path, name, content)
    assert (found.type, found.title, found.metadata["word_count"]) == ("text", title, words)


def test_a_word_across_chunks_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_CHUNK", 3)
    content = "ab cdefghij  k\n\nlm n opqr stu"
    assert read(tmp_path, "a.txt", content).metadata["word_count"] == len(content.split())


FRONT = """---
title: "The plan"
author: Ada
tags: [brand, 'spring', ]
date: 2024-05-06
license: CC-BY-4.0
nested:
  deeper: value
---
# Heading
"""


def test_front_matter(tmp_path: Path) -> None:
    found = read(tmp_path, "a.md", FRONT)
    assert (found.title, found.creator, found.tags) == ("The plan", ("Ada",), ("brand", "spring"))
    assert (found.captured_at, found.license) == ("2024-05-06T00:00:00Z", "CC-BY-4.0")


@pytest.mark.parametrize(
    ("block", "tags"),
    [
        ("tags:\n- one\n- two words\nother: x", ("one", "two words")),
        ("keywords: a, b", ("a", "b")),
        ("Tags: single", ("single",)),
        ("tags:", ()),
        ("no colon here", ()),
        ("tags: [a, \"b, c\", 'd, e', f] # comment", ("a", "b, c", "d, e", "f")),
        ('tags: [a,\n  "b, c",\n  d]\nother: x', ("a", "b, c", "d")),
        ('tags: "b, c", d', ("b, c", "d")),
        ("tags: [it's, O'Hara]", ("it's", "O'Hara")),
        ("tags: [unclosed, list", ("unclosed", "list")),
        ('tags: ["never closed, a]', ('"never closed', "a")),
    ],
)
def test_lists_in_front_matter(tmp_path: Path, block: str, tags: tuple[str, ...]) -> None:
    assert read(tmp_path, "a.md", f"---\r\n{block}\r\n---\r\ntext").tags == tags


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ('title: "A: quoted title"', "A: quoted title"),
        (r'title: "He said \"yes\""', 'He said "yes"'),
        ("title: 'It''s'", "It's"),
        ("title: Plain # comment", "Plain"),
        ("title: C# in depth", "C# in depth"),
        ('title: "quoted" # comment', "quoted"),
        ("title: # nothing", None),
    ],
)
def test_scalars_in_front_matter(tmp_path: Path, line: str, title: str | None) -> None:
    assert read(tmp_path, "a.md", f"---\n{line}\n---\ntext").title == title


def test_a_rule_is_no_front_matter(tmp_path: Path) -> None:
    found = read(tmp_path, "a.md", "words first\n---\ntags: [a]\n---\n")
    assert found.tags == ()


def test_a_large_text_is_not_counted(tmp_path: Path) -> None:
    found = read(tmp_path, "a.txt", "one two three", IngestLimits(text_bytes=5))
    assert "word_count" not in found.metadata
    assert "text_bytes" in found.warnings[0]


def test_bad_bytes_past_the_head_are_a_warning(tmp_path: Path) -> None:
    found = read(tmp_path, "a.txt", b"word " * 20_000 + b"\xff\xfe\xfd")
    assert found.metadata["word_count"] == 20_001
    assert found.warnings


@pytest.mark.parametrize(
    ("content", "url"),
    [
        ("[InternetShortcut]\r\nURL=https://example.org/a?b=c\r\n", "https://example.org/a?b=c"),
        ("[InternetShortcut]\nurl=HTTP://example.org\n", "HTTP://example.org"),
        ("[InternetShortcut]\nURL=javascript:alert(1)\n", None),
        ("[InternetShortcut]\nURL=file:///etc/passwd\n", None),
        ("[InternetShortcut]\n", None),
    ],
)
def test_shortcuts(tmp_path: Path, content: str, url: str | None) -> None:
    found = read(tmp_path, "a.url", content)
    assert (found.type, found.external_url) == ("link", url)
    assert bool(found.warnings) is (url is None)
