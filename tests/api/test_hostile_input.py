"""What no client means well: each is answered with what is the case, at once, and with an answer of ordinary size."""

from __future__ import annotations

import base64
import json
from typing import Any

import orjson
import pytest

from tests.api.client import Api, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL = 16 * 1024
"""Bytes that an error takes at most."""

NEW = {"type": "image", "title": "x"}
BEYOND = (2**64, 2**70, -(2**63) - 1, 10**300, -(10**400))
PLACES: tuple[tuple[str, Any], ...] = (
    ("rating", lambda n: {"rating": n}),
    ("metadata.width", lambda n: {"metadata": {"width": n}}),
    ("metadata.seed", lambda n: {"metadata": {"seed": n}}),
    ("metadata.own", lambda n: {"metadata": {"own": n}}),
    ("metadata.own.0.deep", lambda n: {"metadata": {"own": [{"deep": n}]}}),
    ("metadata.exif.a", lambda n: {"metadata": {"exif": {"a": n}}}),
    ("custom.weight", lambda n: {"custom": {"weight": n}}),
    ("usage_stats.views", lambda n: {"usage_stats": {"views": n}}),
    ("cost.credits_used", lambda n: {"cost": {"credits_used": n}}),
    ("gps.lat", lambda n: {"gps": {"lat": n, "lon": 1}}),
    ("nobody_knows", lambda n: {"nobody_knows": n}),
    ("title", lambda n: {"title": n}),
    ("tags.1", lambda n: {"tags": ["a", n]}),
)


@pytest.mark.parametrize("number", BEYOND, ids=lambda n: f"{n:.3g}" if abs(n) < 10**300 else "long")
@pytest.mark.parametrize(("field", "body"), PLACES, ids=[place for place, _ in PLACES])
async def test_an_integer_beyond_64_bits_is_an_error_wherever_it_is(
    api: Api, field: str, body: Any, number: int
) -> None:
    text = json.dumps(NEW | body(number))
    response = await api.call("POST", "/assets", content=text, headers={"Content-Type": "application/json"})
    details = error_of(response, 400, "VALIDATION_ERROR")
    assert details["field"] == field
    assert len(response.content) < SMALL


@pytest.mark.parametrize("text", ['{"title": ' + "9" * 100_000 + "}", '{"title": -' + "9" * 5000 + "}"])
async def test_an_integer_of_very_many_digits(api: Api, text: str) -> None:
    response = await api.call("POST", "/assets", content=text, headers={"Content-Type": "application/json"})
    assert error_of(response, 400, "VALIDATION_ERROR")["field"] == "title"
    assert len(response.content) < SMALL


LARGE = {
    "unknown fields": {f"k{number}": 1 for number in range(90_000)},
    "some unknown fields": {f"k{number}": 1 for number in range(3000)},
    "wrong leaves of metadata": {"metadata": {f"k{number}": {"a": ["\x00"]} for number in range(9000)}},
    "wrong leaves of exif": {"metadata": {"exif": {f"k{number}": "\x00" for number in range(1900)}}},
    "custom fields of no type": {"custom": {f"k{number}": {} for number in range(9000)}},
    "few custom fields of no type": {"custom": {f"k{number}": {} for number in range(90)}},
    "tags of no type": {"tags": [1] * 90_000},
    "one long value": {"rating": "x" * 900_000},
    "one long list": {"title": list(range(150_000))},
}


@pytest.mark.parametrize("body", LARGE.values(), ids=LARGE)
async def test_a_body_of_errors_has_an_answer_of_ordinary_size(api: Api, body: dict[str, Any]) -> None:
    limit = api.service.base.settings.json_limit
    content = orjson.dumps(body)[: limit + 100]
    response = await api.call("POST", "/assets", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 413), response.text[:500]
    assert len(response.content) < SMALL


async def test_the_first_problems_are_listed_and_the_others_counted(api: Api) -> None:
    response = await api.call("POST", "/assets", json=NEW | {f"k{number}": 1 for number in range(200)})
    details = error_of(response, 400, "VALIDATION_ERROR")
    assert (len(details["problems"]), details["problem_count"]) == (20, 200)


WRONG = {
    "several types": ({"custom": {"w": {}}}, "custom.w", ["a string", "a number"], []),
    "a missing field": ({"focus": {"x": 1}}, "focus.y", ["focus.y is missing"], ["provided"]),
    "an object": ({"title": {"a": [1, None, True]}}, "title", ['{"a": [1, null, true]}'], []),
    "true": ({"title": True}, "title", ['"provided":true'], []),
}


@pytest.mark.parametrize(("body", "field", "said", "unsaid"), WRONG.values(), ids=WRONG)
async def test_details_are_json_and_say_all_that_would_do(
    api: Api, body: dict[str, Any], field: str, said: list[str], unsaid: list[str]
) -> None:
    response = await api.call("POST", "/assets", json=NEW | body)
    assert error_of(response, 400, "VALIDATION_ERROR")["field"] == field
    text = response.text.replace('\\"', '"')
    assert all(words in text for words in said), text
    assert not any(words in text for words in unsaid), text
    assert "'" not in text.replace("'<", "")


async def test_nan_is_called_so(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    response = await api.call("POST", "/assets", content='{"type":"image","custom":{"w":NaN}}', headers=headers)
    assert error_of(response, 400, "VALIDATION_ERROR")["provided"] == "NaN"


def nested(levels: int) -> dict[str, Any]:
    filters: dict[str, Any] = {"gte": 1}
    for _ in range(levels):
        filters = {"not": filters}
    return {"width": filters}


@pytest.mark.parametrize(("levels", "status"), [(1, 200), (20, 200), (21, 400), (84, 400), (200, 400), (900, 400)])
async def test_negations_in_filters_are_limited(api: Api, levels: int, status: int) -> None:
    params = {"filters": json.dumps(nested(levels))}
    response = await api.call("GET", "/assets/search/advanced", params=params)
    assert response.status_code == status, response.text
    if status == 400:
        assert error_of(response, 400, "VALIDATION_ERROR")["field"] == "filters"


def forged(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(parts)).encode()).rstrip(b"=").decode()


CURSORS = {
    "a huge integer": forged("-created_at", 2**63, "x"),
    "a list": forged("-created_at", [1], "x"),
    "an object": forged("-created_at", {}, "x"),
    "NUL": forged("-created_at", "a\x00", "x"),
    "NUL in the key": forged("-created_at", "a", "\x00"),
    "no key": forged("-created_at", "a", None),
    "a surrogate": forged("-created_at", "a", "\ud800"),
    "another order": forged("created_at", "a", "x"),
    "no list": base64.urlsafe_b64encode(b"1").decode(),
    "no base64": "é",
    "a long one": "x" * 16_000,
}


@pytest.mark.parametrize("path", ["/searches", "/operations"])
@pytest.mark.parametrize("cursor", CURSORS.values(), ids=CURSORS)
async def test_a_forged_cursor_of_a_list(api: Api, path: str, cursor: str) -> None:
    response = await api.call("GET", path, params={"cursor": cursor})
    assert error_of(response, 400, "VALIDATION_ERROR")["field"] == "cursor"


@pytest.mark.parametrize("path", ["/searches", "/operations"])
async def test_a_star_begins_every_list(api: Api, path: str) -> None:
    assert (await api.call("GET", path, params={"cursor": "*"})).status_code == 200


NUMBERS = ("12345678901234567", "9223372036854775807", "-9223372036854775808", "9007199254740993", "0.1", "1", "2.5")


async def test_numbers_of_custom_fields_keep_their_digits(api: Api) -> None:
    custom = ",".join(f'"n{at}":{number}' for at, number in enumerate(NUMBERS))
    headers = {"Content-Type": "application/json"}
    response = await api.call(
        "POST", "/assets", content=f'{{"type":"image","title":"digits","custom":{{{custom}}}}}', headers=headers
    )
    assert response.status_code == 201, response.text
    assert f'"custom":{{{custom}}}' in response.text
    asset = response.json()
    again = await api.call("GET", f"/assets/{asset['id']}")
    assert f'"custom":{{{custom}}}' in again.text
    await api.settled()
    found = await api.call("GET", "/assets/search/advanced", params={"query": f"asset_id:{asset['id']}"})
    shown = [text for at, number in enumerate(NUMBERS) if (text := f'"n{at}":{number}') not in found.text]
    assert not shown, found.text


async def test_a_facet_of_a_flag_is_not_called_unknown(api: Api) -> None:
    response = await api.call("GET", "/assets/search/facets", params={"facets": "is_favorite"})
    error_of(response, 400, "VALIDATION_ERROR")
    assert "is_favorite" in response.text
    assert "nknown" not in response.text


async def test_another_media_type_is_named(api: Api) -> None:
    response = await api.call("POST", "/assets", content="x", headers={"Content-Type": "text/plain"})
    details = error_of(response, 415, "UNSUPPORTED_MEDIA_TYPE")
    assert details["provided"] == "text/plain"
    assert "does not take" in response.json()["error"]["message"]


LONG = "x" * 5000
NAMED = {
    "an unsortable field": ("/assets/search/advanced", {"sort_by": "prompt"}, "sort_by", "unsupported"),
    "an unknown sort field": ("/assets/search/advanced", {"sort_by": "titel"}, "sort_by", "unknown_field"),
    "sort": ("/assets/search/advanced", {"sort": "prompt"}, "sort", "unsupported"),
    "sort_by of the basic search": ("/assets/search", {"sort_by": "prompt"}, "sort_by", "unsupported"),
    "query": ("/assets/search/advanced", {"query": LONG}, "query", "limit"),
    "module": ("/assets/search", {"module": "\x00"}, None, None),
}


@pytest.mark.parametrize(("path", "params", "field", "reason"), NAMED.values(), ids=NAMED)
async def test_details_name_the_parameter_that_was_sent(
    api: Api, path: str, params: dict[str, str], field: str | None, reason: str | None
) -> None:
    response = await api.call("GET", path, params=params)
    if field is None:
        assert response.status_code < 500
        return
    details = error_of(response, 400, "VALIDATION_ERROR")
    assert (details["field"], details["reason"]) == (field, reason)
