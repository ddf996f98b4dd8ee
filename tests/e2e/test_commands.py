"""The command line and the service as a user starts them: real processes, a folder of made files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.demo.library import make_library
from tests.support.commands import answer, command
from tests.support.processes import Served, assetry, printed, served, until


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("library")
    make_library(target, count=40, seed=3)
    return target


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, library: Path) -> Path:
    data = tmp_path_factory.mktemp("store") / "data"
    done = answer("import", library, "--data", data)
    assert done["imported"] == 40
    assert done["failed"] == []
    return data


@pytest.fixture(scope="module")
def service(data: Path) -> Iterator[Served]:
    with served(data) as service:
        service.until_ready()
        yield service


def test_importing_again_adds_nothing(data: Path, library: Path, tmp_path: Path) -> None:
    again = answer("import", library, "--data", data)
    assert (again["imported"], again["duplicates"]) == (0, 40)
    copy = tmp_path / "renamed.bin"
    copy.write_bytes(next(path for path in sorted(library.rglob("*")) if path.is_file()).read_bytes())
    assert answer("import", copy, copy, "--data", data)["duplicates"] == 1


def test_files_that_can_not_be_read_stop_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "good.txt").write_text("Some words to be found")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 20)
    (folder / "broken.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><g></svg>")
    (folder / "link.txt").symlink_to(folder / "good.txt")
    done = answer("import", folder, "--data", tmp_path / "data", code=1)
    assert done["imported"] == 1
    assert {Path(failed["path"]).name for failed in done["failed"]} == {"broken.jpg", "broken.svg"}
    assert all(failed["reason"] and failed["message"] for failed in done["failed"])
    assert done["skipped"] == {"symlink": 1}
    words = command("import", folder, "--data", tmp_path / "data", check=False)
    assert words.returncode == 1
    assert "broken.jpg" in words.stdout + words.stderr


def test_names_that_are_no_text_stop_nothing_and_stay_readable(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in (b"one.txt", b"caf\xe9.txt", b"\x81\x8d.txt", b" .txt", b"a\\b\n.txt"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(b"words of " + name)
    Path(os.fsdecode(os.fsencode(folder) + b"/d\xe9g\xe2t.png")).write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    done = answer("import", folder, "--data", tmp_path / "data", code=1)
    assert (done["imported"], [Path(failed["path"]).name for failed in done["failed"]]) == (5, ["dégât.png"])
    found = answer("search", "--data", tmp_path / "data")["results"]
    assert {each["filename"] for each in found} >= {"one.txt", "café.txt", "\ufffd\ufffd.txt"}


def test_what_cannot_be_read_is_named_also_as_an_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("shut/inner.txt", "open/fine.txt", "secret.txt"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(name)
    os.mkfifo(tree / "pipe")
    (tree / "loop").symlink_to(tree / "loop")
    scandir = os.scandir

    def denied(path: Path) -> Any:
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)  # the tests may run as root, who may read everything
    monkeypatch.setattr(os, "access", lambda path, _: Path(path).name != "secret.txt")
    given = [tree / name for name in ("shut", "open", "secret.txt", "pipe", "loop")]
    done = answer("import", *given, "--data", tmp_path / "data", code=1)
    assert done["imported"] == 1
    assert {Path(each["path"]).name: each["reason"] for each in done["failed"]} == {
        "shut": "unreadable",
        "secret.txt": "unreadable",
        "pipe": "special",
        "loop": "unreadable",
    }
    found = answer("import", tree, "--data", tmp_path / "data", code=1)
    assert {Path(each["path"]).name for each in found["failed"]} == {"shut", "secret.txt"}
    assert found["skipped"] == {"special": 1, "symlink": 1}


def test_control_characters_never_reach_a_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "traps"
    folder.mkdir()
    (folder / "red\x1b[31m.txt").write_text("words")
    (folder / "csi\x9b31m\u202egpj.txt").write_text("more words")
    (folder / "broken\x1b]0;title\x07.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    data = ("--data", tmp_path / "data")
    runs = [
        command("import", folder, *data, check=False),
        command("import", folder, *data, "--json", check=False),
        command("search", *data, "--facets", "ext"),
        command("search", *data, "--json"),
        command("search", "title:\x1b[31m AND (", *data, check=False),
        command("search", "\x1b31mx", *data),
        command("import", folder / "no\x1b[31m", *data, check=False),
        command("keys", "revoke", "key\x1b[31m", *data, check=False),
        command("import", "-\x1b[31m", *data, check=False),
        command("import", folder, "--data", tmp_path / "d\x9bta", "--org", "\x1b[1m", check=False),
    ]
    for done in runs:
        printed = done.stdout + done.stderr
        assert [each for each in printed if unicodedata.category(each) in ("Cc", "Cf") and each not in "\n\t"] == []


def test_a_mistyped_data_folder_makes_no_library(data: Path, tmp_path: Path) -> None:
    for words in (
        ["search", "x"],
        ["keys", "list"],
        ["keys", "revoke", "key_x"],
        ["operations", "list"],
        ["operations", "show", "x"],
        ["backups", "list"],
        ["backups", "restore", "x"],
        ["reprocess", "x", "--dry-run"],
        ["index", "status"],
    ):
        done = command(*words, "--data", tmp_path / "mistyped", check=False)
        assert done.returncode == 2, words
        assert "no Assetry store in" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_several_words_are_one_query(data: Path) -> None:
    several = answer("search", "type:image", "NOT", "tags:x", "--data", data)
    assert several == answer("search", "type:image NOT tags:x", "--data", data)


def test_facets_show_what_was_asked_and_say_that_there_is_more(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(14):
        (folder / f"{number}.t{number:02}").write_text(f"words {number}")
    answer("import", folder, "--data", tmp_path / "data")
    for facet, shown, more in (
        ("ext", 14, False),
        ('[{"field": "ext", "size": 14}]', 14, False),
        ('[{"field": "ext", "size": 12}]', 12, True),
        ('[{"field": "ext", "size": 13, "name": "endings"}]', 13, True),
    ):
        words = command("search", "--facets", facet, "--limit", "0", "--data", tmp_path / "data").stdout
        assert len(re.findall(r"\bt\d\d\b", words)) == shown
        assert ("more values" in words) == more
        body = answer("search", "--facets", facet, "--limit", "0", "--data", tmp_path / "data")
        (counts,) = body["facets"].values()
        (left,) = body["left_out"].values()
        assert (len(counts), bool(left["records"])) == (shown, more)


def test_an_error_of_a_query_points_at_the_mistake(data: Path) -> None:
    done = command("search", "日本", "AND", "tile:x", "--data", data, check=False)
    assert done.returncode == 2
    first, text, carets = done.stderr.splitlines()[:3]
    assert "tile" in first
    assert text == "  日本 AND tile:x"
    assert carets == " " * (2 + 2 * 2 + 5) + "^^^^"


def test_what_is_piped_is_not_wrapped(tmp_path: Path) -> None:
    folder = tmp_path / "long"
    folder.mkdir()
    (folder / ("very long name " * 15 + ".txt")).write_text("words")
    answer("import", folder, "--data", tmp_path / "data")
    assert "very long name " * 15 in command("search", "--data", tmp_path / "data").stdout + " "


def test_ctrl_c_prints_what_was_imported(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(2000):
        (folder / f"{number}.txt").write_text(f"words {number}")
    words = [sys.executable, "-m", "service", "import", str(folder), "--data", str(tmp_path / "data"), "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
        kept = tmp_path / "data" / "files" / "objects"
        until(lambda: any(path.is_file() for path in kept.rglob("*")), "it has begun")
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert json.loads(out)["interrupted"] is True


def test_the_version() -> None:
    assert re.fullmatch(r"assetry \d+\.\d+\.\S+\n", command("--version").stdout)


def test_search_without_a_service(data: Path) -> None:
    body = printed("search", "type:image", "--facets", "type,tags", "--limit", "3", "--data", data)
    assert body["total_count"] == body["facets"]["type"]["image"] > 3
    assert len(body["results"]) == 3
    assert answer("search", "type:image", "--data", data, "--org", "other")["total_count"] == 0


def test_search_by_the_running_service(service: Served) -> None:
    with service.client("assets:read") as client:
        over_http = client.get("/assets/search/advanced", params={"query": "mountain OR lake", "limit": 100}).json()
    by_command = answer("search", "mountain OR lake", "--limit", "100", "--data", service.data)
    assert by_command["total_count"] == over_http["total_count"] > 0
    assert [hit["id"] for hit in by_command["results"]] == [hit["id"] for hit in over_http["results"]]


def test_an_import_beside_the_service_is_searchable(service: Served, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("Zyzzyva is the last word of many dictionaries")
    (tmp_path / "zyzzyva.txt").write_text("Zyzzyva again")
    assert printed("import", tmp_path, "--data", service.data)["imported"] == 2
    with service.client("assets:read") as client:

        def found() -> bool:
            return bool(client.get("/assets/search", params={"q": "zyzzyva"}).json()["total_count"] == 1)

        until(found, "the new asset is searchable")


def test_keys(service: Served) -> None:
    made = printed(
        "keys", "create", "--data", service.data, "--org", "acme", "--user", "kim", "--scopes", "assets:read"
    )
    assert re.fullmatch(r"ak_[\w-]{32}", made["key"])
    listed = {row["id"]: row for row in answer("keys", "list", "--data", service.data, "--org", "acme")}
    assert listed[made["id"]]["scopes"] == ["assets:read"]
    assert made["key"] not in str(listed)
    assert made["key"].encode() not in (service.data / "assetry.db").read_bytes()
    plain = command("keys", "create", "--data", service.data, "--org", "acme", "--user", "kim").stdout
    assert re.fullmatch(r"ak_[\w-]{32}\n", plain)
    headers = {"Authorization": f"Bearer {made['key']}"}
    url = f"{service.url}/v1/asset-library/assets/search"
    assert httpx.get(url, headers=headers).json()["total_count"] == 0
    # One that was used is good for five seconds more: tests/unit/core/test_access.py, by the clock.
    unused = answer("keys", "create", "--data", service.data, "--org", "acme", "--user", "kim")
    answer("keys", "revoke", unused["id"], "--data", service.data)
    assert httpx.get(url, headers={"Authorization": f"Bearer {unused['key']}"}).status_code == 401


def test_search_marks_what_it_found_and_proposes_spellings(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "one.md").write_text("# The lighthouse keeper & his dog")
    (folder / "two.md").write_text("# Boats in the harbour")
    data = ("--data", tmp_path / "data")
    answer("import", folder, *data)
    facets = '[{"field": "word_count", "ranges": [{"to": 5}, {"from": 5}]}]'
    body = answer("search", "keeper", "--highlight", "--facets", facets, *data)
    (result,) = body["results"]
    assert any("<em>keeper</em>" in text for texts in result["highlights"].values() for text in texts)
    assert body["facets"] == {"word_count": {"*-5": 0, "5-*": 1}}
    assert answer("search", "lighthose", *data)["suggestion"] == "lighthouse"
    assert "did you mean: lighthouse" in command("search", "lighthose", *data).stdout
    shown = command("search", "keeper", "--highlight", *data).stdout
    assert "*keeper* & his" in shown
    wrong = command("search", "x", "--facets", "[{]", *data, check=False)
    assert (wrong.returncode, "facets" in wrong.stderr) == (2, True)


def test_index_status(service: Served) -> None:
    status = answer("index", "status", "--data", service.data)
    assert status["ready"] is True
    assert status["state"] == "following"
    assert status["service"] == service.url


def test_index_status_without_a_service(tmp_path: Path) -> None:
    missing = command("index", "status", "--data", tmp_path / "data", check=False)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "no Assetry store" in missing.stderr
    assert not (tmp_path / "data").exists()
    answer("keys", "create", "--org", "a", "--user", "b", "--data", tmp_path / "data")
    above = command("index", "status", "--data", tmp_path, check=False)
    assert f"Did you mean {tmp_path / 'data'}?" in above.stderr
    status = answer("index", "status", "--data", tmp_path / "data", code=1)
    assert status["ready"] is False
    assert status["service"] is None


def test_a_second_service_on_the_same_folder_is_refused(service: Served) -> None:
    done = assetry("serve", "--data", service.data, "--port", "0", check=False)
    assert done.returncode == 3
    assert "--data" in done.stderr
    assert service.url in done.stderr


def test_a_port_that_is_taken(service: Served, tmp_path: Path) -> None:
    port = service.url.rsplit(":", 1)[-1]
    done = assetry("serve", "--data", tmp_path / "data", "--port", port, check=False)
    assert done.returncode == 3
    assert "--port" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["search", "tile:x"], 2, "tile"),
        (["search", "(x"], 2, ""),
        (["search", "x", "--filters", "{"], 2, "--filters"),
        (["search", "x", "--limit", "101"], 2, "--limit"),
        (["import", "/nowhere/at/all"], 2, "/nowhere/at/all"),
        (["keys", "create", "--org", "a", "--user", "b", "--scopes", "assets:fly"], 2, "assets:fly"),
        (["keys", "create", "--org", "", "--user", "b"], 2, "--org"),
        (["keys", "revoke", "key_nobody"], 1, "key_nobody"),
        (["backups", "restore", "backup_nothing"], 1, "backup_nothing"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_mistakes_are_a_line_and_a_code(data: Path, arguments: list[str], code: int, words: str) -> None:
    folder = [] if arguments[0] == "nonsense" else ["--data", str(data)]
    done = command(*arguments, *folder, check=False)
    assert done.returncode == code, done.stderr
    assert words in done.stderr


def test_a_wrong_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSETRY_INDEX_REFRESH", "often")
    done = assetry("keys", "list", "--data", tmp_path / "data", check=False)
    assert done.returncode == 3
    assert "ASSETRY_INDEX_REFRESH" in done.stderr


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    with served(tmp_path / "data") as service:
        service.until_ready()
        os.kill(service.process.pid, signal.SIGINT)
        assert service.process.wait(timeout=20) == 0
    assert not (tmp_path / "data" / "run" / "service.json").exists()
    assert not (tmp_path / "data" / "run" / "engine.json").exists()


def test_a_backup_comes_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data) as service, service.client() as client:
        made = client.post("/assets", files={"file": ("note.txt", b"Keep these words")}).json()
        backup = client.delete(f"/assets/{made['id']}", params={"permanent": "true"}).json()["backup_id"]
        assert [row["id"] for row in answer("backups", "list", "--data", data)] == [backup]
        back = answer("backups", "restore", backup, "--data", data)
        assert back["restored_from"] == made["id"]
        asset = client.get(f"/assets/{back['id']}").json()
        assert asset["title"] == made["title"]
        assert httpx.get(asset["urls"]["original"]).content == b"Keep these words"


def test_python_m_service_is_the_command() -> None:
    assert "import" in assetry("--help").stdout
    assert sys.version_info >= (3, 11)
