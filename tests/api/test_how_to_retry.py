"""The examples of docs/how-to-retry.md, run in their order: what they show is in the answers."""

from __future__ import annotations

import pytest

from tests.api.client import Api
from tests.api.pages import differs, examples, run

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.any_query]  # tests count by title


async def test_every_example_of_the_page(api: Api) -> None:
    found = examples("how-to-retry.md")
    assert len(found) == 5
    variables = {"AUTH": f"Authorization: Bearer {api.key}", "API": ""}
    for example in found:
        response = await run(api, example.command, variables)
        assert response.status_code == example.status, example.command
        assert differs(example.answer, response.json()) == "", example.command
        name, _, value = example.header.partition(": ")
        assert response.headers.get(name or "Idempotent-Replayed", "") == value
    one = await api.service.base.store.count("asset", {"title": "The guide"})
    assert one == 1
