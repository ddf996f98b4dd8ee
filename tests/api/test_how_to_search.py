"""The examples of docs/how-to-search.md, run in their order: what they show is in the answers."""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import httpx
import orjson
import pytest
import pytest_asyncio

from tests.api.client import Api
from tests.api.corpus import CORPUS

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = Path(__file__).parents[2] / "docs" / "how-to-search.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING = "…"


@dataclass(frozen=True)
class Example:
    command: str
    answer: Any
    """What the answer holds at least; None where the page shows none."""


def examples() -> list[Example]:
    blocks = BLOCK.findall(PAGE.read_text())
    found: list[Example] = []
    for (language, text), (following, answer) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language == "sh" and text.startswith("curl "):
            found.append(Example(text, orjson.loads(answer) if following == "json" else None))
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library(api: Api) -> AsyncIterator[Api]:
    user = await api.as_user(org="readers", scopes="assets:read,assets:write,assets:import")
    for body in CORPUS.values():
        await user.create(**body)
    await api.settled()
    yield user


async def test_every_example_of_the_page(library: Api) -> None:
    found = examples()
    assert len(found) > 12
    variables = {"AUTH": f"Authorization: Bearer {library.key}", "API": "", "CURSOR": "", "TOKEN": "", "ID": ""}
    for example in found:
        response = await run(library, example.command, variables)
        body = response.json()
        if example.answer is None:
            assert response.is_success, example.command
        else:
            assert differs(example.answer, body) == "", example.command
        variables["CURSOR"] = body.get("next_cursor", "")
        variables["TOKEN"] = response.headers.get("x-index-token", "")
        variables["ID"] = body.get("id", "")


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
