"""The examples of docs/how-to-search.md, run in their order: what they show is in the answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api.client import Api
from tests.api.corpus import CORPUS
from tests.api.pages import differs, examples, run

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library(api: Api) -> AsyncIterator[Api]:
    user = await api.as_user(org="readers", scopes="assets:read,assets:write,assets:import")
    for body in CORPUS.values():
        await user.create(**body)
    await api.settled()
    yield user


async def test_every_example_of_the_page(library: Api) -> None:
    found = examples("how-to-search.md")
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
