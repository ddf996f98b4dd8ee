"""A large, varied library that is the same on every run: records as the service makes them, and their documents.

Words repeat often enough that most queries find some records and leave out others, in several scripts, with accents,
marks, hyphens, apostrophes, camel case and numbers.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from indexer.documents import bulk_item
from service.core.access.keys import SCOPES, Principal
from service.core.assets.records import new_record
from service.model import AssetCreate
from service.ports.search import BulkItem
from service.ports.store import Body, Record

SIZE = 2400
NOW = datetime(2024, 6, 15, 12, 0, tzinfo=UTC)
ORG = "org_a"
USERS = ("user_1", "user_2", "User_3", "user_4")

WORDS = (
    "mountain mountains lake forest river valley sunset snow Summit summer red blue green golden quiet ancient modern "
    "portrait studio poster campaign logo night fog landscape Landschaft café crème naïve façade Zürich straße "
    "smørrebrød fair-trade twenty-one o'clock don't rock'n'roll example.com v2.1 3.5 12:30 C++ 10.5281/zenodo.1 "
    "snake_case 東京 京都 タワー москва Ελλάδα İstanbul ＡＢＣ x 42 1984 001 aaa aaab aab "
    "🌊 ★ 👩‍🚀 ёлка สวัสดีชาวโลก ภาษาไทย ພາສາລາວ ភាសាខ្មែរ မြန်မာ 학교에서 서울 שָׁלוֹם كِتَاب हिन्दी １２３４ ٣٤ soft\u00adware "
    "Miller’s l'été running runs photographs stable-diffusion-xl"
).split()
TAGS = [
    *"mountain lake forest Nature nature NATURE outdoor brand marketing tutorial educational".split(),
    *"fair-trade new a:b sci/fi café Café cafe\u0301 straße STRASSE 東京 two-words".split(),
    *("two words", "Two  Words", "trailing dot.", 'quo"te', "back\\slash", "question?", "per*cent"),
]
NAMES = ("Jane Doe", "jane doe", "Ann Lee", "Ann Ray", "Bob Ray", "Éva Nagy", "O'Brien", "Ōe Kenzaburō", "van der Berg")
ROLES = ("model", "speaker", "editor", "Editor")
MODELS = ("stable-diffusion-xl", "Stable-Diffusion-1.5", "dalle-3", "midjourney", "flux.1 dev")
CAMERAS = (("Canon", "EOS 5D"), ("Canon", "EOS 5D Mark II"), ("NIKON", "NIKON D750"), ("Leica", "M10"))
STEMS = (
    "IMG",
    "ai_generated_image",
    "riverWalk",
    "DSC",
    "café-photo",
    "report.final",
    "Logo",
    "snow_lake",
    "日本",
    "a'b",
)
EXTENSIONS = ("jpg", "JPG", "png", "mp4", "tar.gz", "svg", "pdf")
PATHS = ("nature", "nature/water", "nature/water/lake", "Nature/Land", "people", "people/work")
COLOURS = ("Dark Red", "red", "blue", "7", "2024-05-01")


class _Clock:
    """A clock of one record: its ids come from its own random numbers."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    def guid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def sid(self) -> str:
        return "".join(self._rng.choices("abcXYZ019", k=12))


@cache
def records(size: int = SIZE) -> tuple[Record, ...]:
    """Return the records; one in forty is of another organization, one in thirty in the trash."""
    return tuple(_record(number) for number in range(1, size + 1))


def items(size: int = SIZE) -> list[BulkItem]:
    """Return the records as the indexer writes them."""
    return [bulk_item(record) for record in records(size)]


def _record(number: int) -> Record:
    rng = random.Random(number)
    who = Principal("org_b" if number % 40 == 7 else ORG, rng.choice(USERS), frozenset(SCOPES))
    made = new_record(AssetCreate.model_validate(_given(rng)), who, number, _Clock(rng))
    body: Body = {**made, **_written_by_others(rng)}
    if number % 50 == 0:
        body["title"] += " 🏔"  # at the end, where the words of a phrase do not step over it
    if body["slug"]:
        body["slug"] = f"{body['slug']}-{number}"
    return Record("asset", f"asset_{number}", rng.randint(1, 9), body, _time(rng, 2024))


def _given(rng: random.Random) -> dict[str, Any]:
    """Return what a client sends."""
    kind = rng.choices(("image", "video", "audio", "text", "link"), (60, 15, 5, 15, 5))[0]
    given: dict[str, Any] = {
        "type": kind,
        "title": _text(rng, 1, 5),
        "tags": rng.sample(TAGS, rng.randint(0, 5)) + (["*review"] if rng.random() < 0.1 else []),
        "created_at": _time(rng, 2023),
        "usage_stats": {"downloads": rng.randint(0, 60), "views": rng.randint(0, 900)},
        "cost": {
            "credits_used": rng.randint(0, 9),
            "amount": rng.randint(0, 30) / 100,
            "currency": rng.choice(("USD", "EUR")),
        },
        "is_public": rng.random() < 0.5,
        "is_favorite": rng.random() < 0.2,
        "metadata": _metadata(rng, kind),
    }
    if kind == "link":
        given["external_url"] = f"https://Example.com/a/{rng.randint(1, 50)}?b=1"
    optional: Mapping[str, Any] = {
        "module": rng.choice(("image_studio", "video_studio", "blog_writer", "Story_Writer")),
        "submodule": rng.choice(("create_studio", "edit studio")),
        "description": _text(rng, 3, 14),
        "alt_text": _text(rng, 2, 6),
        "credit": rng.choice(("Reuters", "Agence France-Presse", "AP/Wide World")),
        "source_info": _text(rng, 1, 3),
        "license": rng.choice(("CC-BY-4.0", "cc0", "all rights reserved")),
        "rights_code": rng.choice(("RM", "RF")),
        "creator": rng.sample(NAMES, rng.randint(1, 2)),
        "people": [
            {"name": rng.choice(NAMES), **({"role": rng.choice(ROLES)} if rng.random() < 0.8 else {})}
            for _ in range(rng.randint(1, 3))
        ],
        "rating": rng.randint(0, 5),
        "captured_at": _time(rng, 2019, 2000),
        "expires_at": _time(rng, 2024),
        "gps": {"lat": round(rng.uniform(-85, 85), 4), "lon": round(rng.uniform(-180, 180), 4)},
        "colours": rng.sample(("teal", "Teal", "#FFFFFF", "red", "black"), 2),
        "status": rng.choice(("draft", "completed", "failed", "archived")),
        "collections": rng.sample(("landscapes", "Favorites", "best of 2024", "archive"), rng.randint(1, 2)),
        "custom": _custom(rng),
        "filename": rng.choice(STEMS)
        + rng.choice(("", "_", "-", " "))
        + f"{rng.randint(1, 300)}.{rng.choice(EXTENSIONS)}",
    }
    return given | {name: value for name, value in optional.items() if rng.random() < 0.6}


def _metadata(rng: random.Random, kind: str) -> dict[str, Any]:
    width = rng.choice((512, 800, 1024, 1536, 2048, 4096))
    found: dict[str, Any] = {
        "width": width,
        "height": rng.choice((width, 512, 600, 1024)),
        "format": rng.choice(("jpg", "PNG", "webp")),
        "file_size": rng.choice((99_999, 100_000, 500_000, 500_001, 5_000_000, rng.randint(1, 10**9))),
        "orientation": rng.randint(1, 8),
        "codec": rng.choice(("h264", "AV1", "raw")),
        "bits": rng.choice((8, 10)),
    }
    if kind in {"video", "audio"}:
        found |= {"duration": rng.choice((29.5, 30.0, 90.0, 120.0, 120.5)), "frame_rate": 23.976, "language": "en"}
    if kind == "image" and rng.random() < 0.5:
        found |= {
            "model": rng.choice(MODELS),
            "prompt": _text(rng, 3, 10),
            "negative_prompt": _text(rng, 1, 4),
            "seed": rng.choice((0, 123456789, 2**53, 2**53 + 1, rng.getrandbits(62))),
            "steps": rng.randint(10, 50),
            "guidance_scale": rng.choice((7.5, 3.0, -1.25)),
            "sampler": rng.choice(("euler a", "Euler", "ddim")),
        }
    elif kind == "image":
        make, model = rng.choice(CAMERAS)
        number = rng.choice((1.8, 2.0, 2.8))
        found |= {
            "camera_make": make,
            "camera_model": model,
            "lens": "EF50mm f/1.8 STM",
            "iso": rng.choice((100, 400, 3200)),
            "f_number": number,
            "exposure_time": rng.choice((0.001, 0.01, 0.5)),
            "exif": {"FNumber": str(number), "Image Make": make, "GPS": {"Altitude": rng.randint(0, 3)}},
            "iptc": {"City": rng.choice(("Amsterdam", "Zürich")), "Keywords": rng.sample(TAGS, 2)},
        }
    return found


def _custom(rng: random.Random) -> dict[str, Any]:
    return {
        "colour": rng.choice(COLOURS),
        "weight": rng.choice((4, 5, 5.5, 7)),
        "due": rng.choice(("2024-05-01", "2024-05-31T12:30:00Z", "soon")),
        "note": _text(rng, 1, 3),
        "ok": rng.random() < 0.5,
        "sizes": rng.sample(("S", "M", "XL"), 2),
    }


def _written_by_others(rng: random.Random) -> dict[str, Any]:
    """Return what imports, jobs and other users write to a record, and no body of a client holds."""
    found: dict[str, Any] = {
        "favorited_by": rng.sample(USERS, rng.randint(0, 2)),
        "storage_folder": rng.sample(PATHS, 1),
        "lightboxes": rng.sample(("review", "Client A"), rng.randint(0, 1)),
        "taxonomy": rng.sample(PATHS, rng.randint(0, 2)),
        "sha256": f"{rng.getrandbits(256):064x}",
        "mime_type": rng.choice(("image/jpeg", "image/png", "video/mp4")),
        "version": rng.randint(1, 4),
    }
    if rng.random() < 0.3:
        found["source_path"] = f"{rng.choice(('photos', 'Archive'))}/{rng.choice(STEMS)}/{rng.randint(1, 40)}.jpg"
    if rng.random() < 0.2:
        found["suggested_tags"] = [
            {"tag": rng.choice(("water", "River", "sky")), "confidence": rng.choice((12.0, 79.9, 80.0, 83.7))}
            for _ in range(rng.randint(1, 3))
        ]
    if rng.random() < 1 / 30:
        found["deleted_at"] = _time(rng, 2024)
    return found


def _text(rng: random.Random, least: int, most: int) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(least, most))) + rng.choice(("", "", ".", "!", "?", ", etc."))


def _time(rng: random.Random, year: int, first: int | None = None) -> str:
    """Return a time between the start of one year and the end of another, now and then at midnight of a month."""
    at = datetime(first or year, 1, 1, tzinfo=UTC) + timedelta(
        milliseconds=rng.randrange(
            (datetime(year + 1, 12, 31, tzinfo=UTC) - datetime(first or year, 1, 1, tzinfo=UTC)).days
        )
        * 86_400_000
        + (rng.randrange(86_400_000) if rng.random() < 0.8 else 0)
    )
    if rng.random() < 0.1:
        at = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
