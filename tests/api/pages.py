"""The examples of a page of docs/: calls by curl, and what the page shows of their answers."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import httpx
import orjson

from tests.api.client import Api

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING = "…"


@dataclass(frozen=True)
class Example:
    """A call; what its answer holds at least (None where the page shows none), its status and its headers.

    They are in a block ``json``, or in a block ``http`` whose first line is the status and perhaps a header.
    """

    command: str
    answer: Any
    status: int | None = None
    header: str = ""


def examples(page: str) -> list[Example]:
    """Return the calls of a page, in their order."""
    blocks = BLOCK.findall((DOCS / page).read_text())
    found: list[Example] = []
    for (language, text), (following, answer) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language != "sh" or not text.startswith("curl "):
            continue
        if following == "http":
            first, _, body = answer.partition("\n")
            status, _, header = first.partition(" ")
            found.append(Example(text, orjson.loads(body), int(status), header))
        else:
            found.append(Example(text, orjson.loads(answer) if following == "json" else None))
    return found


async def run(api: Api, command: str, variables: dict[str, str]) -> httpx.Response:
    """Do what curl would do."""
    words = iter(shlex.split(command.replace("\\\n", "")))
    assert next(words) == "curl"
    path, params, headers, content = "", [], {}, None
    for word in words:
        match word:
            case "-G" | "-i":
                continue
            case "-H":
                name, _, value = filled(next(words), variables).partition(": ")
                headers[name] = value
            case "-d":
                name, _, value = filled(next(words), variables).partition("=")
                params.append((name, unquote_plus(value)))
            case "--data-urlencode":
                name, _, value = filled(next(words), variables).partition("=")
                params.append((name, value))
            case "--json":
                content, headers["Content-Type"] = next(words), "application/json"
            case _:
                path = filled(word, variables)
    method = "GET" if content is None else "POST"
    return await api.call(method, path, params=params, headers=headers, content=content)


def filled(text: str, variables: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda match: variables[match[1]], text)


def differs(shown: Any, got: Any, at: str = "$") -> str:
    """Say where the answer is not what the page shows; objects may hold more than is shown, lists may not."""
    if shown == ANYTHING:
        return "" if got else f"{at} is empty"
    if isinstance(shown, dict) and isinstance(got, dict):
        facet = at.startswith("$.facets.")
        if facet and list(shown) != list(got):
            return f"{at}: {list(shown)} != {list(got)}"
        missing = next((name for name in shown if name not in got), None)
        if missing is not None:
            return f"{at} has no {missing}"
        return next(filter(None, (differs(shown[name], got[name], f"{at}.{name}") for name in shown)), "")
    if isinstance(shown, list) and isinstance(got, list):
        if len(shown) != len(got):
            return f"{at} has {len(got)} items, not {len(shown)}"
        return next(filter(None, (differs(one, other, f"{at}[]") for one, other in zip(shown, got, strict=True))), "")
    return "" if shown == got else f"{at}: {shown!r} != {got!r}"
