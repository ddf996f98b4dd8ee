"""Generates the sample library: real files, identical for the same seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

from service.demo import files as files
from service.demo import tables as tables
from service.demo.paint import accents
from service.demo.scenes import draw

Progress = Callable[[int, int], None]

_SIZES = ((1600, 1067), (1920, 1080), (2048, 1024), (1280, 960), (1067, 1600), (1024, 1024), (900, 1200), (640, 480))
_SQUARES = ((1024, 1024), (768, 768), (768, 1024), (1024, 576), (640, 960))
_FIRST_DAY = datetime(2023, 1, 1, 6, 0, tzinfo=UTC)
_DAYS = 3 * 365


@dataclass(frozen=True, slots=True)
class Sample:
    """One file: its path in the library, and the facts that an import must find in it."""

    path: str
    type: str
    title: str
    creator: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    description: str | None = None
    license: str | None = None
    captured_at: str | None = None
    gps: dict[str, float] | None = None
    rating: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files written, in the order of their paths, and the folder."""

    root: Path
    samples: tuple[Sample, ...]

    def to_json(self) -> str:
        """Return the samples as a JSON list."""
        return json.dumps([asdict(sample) for sample in self.samples], indent=1, ensure_ascii=False)


def make_library(target: Path, count: int = 300, seed: int = 7, progress: Progress | None = None) -> Manifest:
    """Write ``count`` files below ``target`` (created if missing) and return their facts.

    Kinds of files have fixed shares, so that any ``count`` of a few dozen includes all of them. ``progress`` is called
    with (done, total). The same arguments give the same bytes with the same versions of the libraries.
    """
    target.mkdir(parents=True, exist_ok=True)
    samples = []
    for number in range(count):
        # one random generator per file, so that adding a kind does not change all files after it
        rng = Random(f"{seed}/{number}")  # noqa: S311
        samples.append(_KINDS[_SEQUENCE[number % len(_SEQUENCE)]](target, number, rng))
        if progress is not None:
            progress(number + 1, count)
    return Manifest(target, tuple(sorted(samples, key=lambda sample: sample.path)))


def _photograph(target: Path, number: int, rng: Random) -> Sample:
    """Write a JPEG (sometimes a WebP) from a camera, with EXIF, usually a place, and XMP from cataloguing software."""
    subject = rng.choice(tables.LANDSCAPES * 3 + tables.PORTRAITS * 6)
    outdoors = subject.scene != "portrait"
    mood, camera = rng.choice(tuple(tables.MOODS)), rng.choice(tables.CAMERAS)
    place = rng.choice(tables.PLACES) if outdoors and rng.random() < 0.75 else None
    taken = _moment(rng).replace(tzinfo=timezone(timedelta(hours=rng.choice((-8, 0, 1, 2, 9)))))
    focal = rng.randint(camera.near, camera.far)
    shot = {
        "iso": rng.choice((64, 100, 200, 400, 800, 1600, 3200)),
        "f_number": rng.choice((1.8, 2.8, 4.0, 5.6, 8.0, 11.0)),
        "exposure_time": 1 / rng.choice((30, 60, 125, 250, 500, 1000)),
        "focal_length": focal,
    }
    size = rng.choice(_SIZES)
    noun = rng.choice(subject.nouns)
    title = f"{rng.choice(tables.MOODS[mood])} {noun}"
    where = f" near {place.name}" if place else ""
    description = f"A {mood} picture of a {noun}{where}."
    creator, rating, license_url = rng.choice(tables.CREATORS), rng.randint(1, 5), rng.choice(tables.LICENSES)
    tags = tuple(dict.fromkeys((*subject.tags, mood)))
    webp = number % 20 == 7
    name = f"photos/{taken:%Y}/{_slug(title)}-{number:04d}.{'webp' if webp else 'jpg'}"
    block = files.exif(camera, taken, place, shot)
    packet = files.xmp(title, description, creator, tags, rating, license_url)
    save = files.save_webp if webp else files.save_jpeg
    save(draw(subject.scene, size, mood, rng), _place(target, name), block, packet)
    made = {
        "camera_make": camera.make,
        "camera_model": camera.model,
        "lens": camera.lens,
        **shot,
        "exposure_time": round(shot["exposure_time"], 9),
        "format": "webp" if webp else "jpg",
        "width": size[0],
        "height": size[1],
    }
    gps = {"lat": place.lat, "lon": place.lon} if place else None
    return Sample(name, "image", title, (creator,), tags, description, license_url, _iso(taken), gps, rating, made)


def _generated(target: Path, number: int, rng: Random) -> Sample:
    """Write a PNG from a diffusion model, with Automatic1111's parameters."""
    subject = rng.choice(tables.LANDSCAPES * 2 + tables.PORTRAITS * 4 + tables.BRANDS * 5)
    mood, size, noun = rng.choice(tuple(tables.MOODS)), rng.choice(_SQUARES), rng.choice(subject.nouns)
    style = rng.choice(tables.STYLES)
    made: dict[str, Any] = {
        "prompt": f"majestic {noun}, {style}, {mood} light, {', '.join(subject.tags[:2])}, highly detailed",
        "negative_prompt": rng.choice(tables.NEGATIVES), "steps": rng.choice((20, 25, 30, 40, 50)),
        "sampler": rng.choice(tables.SAMPLERS), "guidance_scale": rng.choice((5.0, 6.5, 7.5, 9.0, 12.0)),
        "seed": rng.randrange(2**32), "model": rng.choice(tables.MODELS), "width": size[0], "height": size[1],
    }  # fmt: skip
    title, description = f"{style.capitalize()}: {noun}", f"A {noun} generated with {made['model']}."
    tags, creator = (*subject.tags, "generated"), rng.choice(tables.CREATORS)
    name = f"generated/{made['model']}/{_slug(noun)}-{number:04d}.png"
    packet = files.xmp(title, description, creator, tags, rng.randint(2, 5), tables.LICENSES[2])
    picture = draw(subject.scene, size, mood, rng)
    files.save_png(picture, _place(target, name), {"parameters": files.parameters(made)}, packet)
    return Sample(
        name, "image", title, (creator,), tags, description, tables.LICENSES[2], metadata={**made, "format": "png"}
    )


def _poster(target: Path, number: int, rng: Random) -> Sample:
    """Write a TIFF for print with XMP."""
    subject, size = rng.choice(tables.BRANDS + tables.LESSONS), rng.choice(((1200, 900), (900, 1200)))
    noun, creator, rating = rng.choice(subject.nouns), rng.choice(tables.CREATORS), rng.randint(1, 5)
    title, description = f"Print of the {noun}", f"The {noun}, ready for print."
    name = f"marketing/print/{_slug(noun)}-{number:04d}.tif"
    packet = files.xmp(title, description, creator, subject.tags, rating, tables.LICENSES[0])
    files.save_tiff(draw(subject.scene, size, "noon", rng), _place(target, name), packet)
    return Sample(
        name, "image", title, (creator,), subject.tags, description, tables.LICENSES[0], rating=rating,
        metadata={"format": "tiff", "width": size[0], "height": size[1]},
    )  # fmt: skip


def _animation(target: Path, number: int, rng: Random) -> Sample:
    """Write a GIF of three frames; it contains no metadata, so its name is its title."""
    subject, size = rng.choice(tables.BRANDS + tables.LESSONS), rng.choice(((640, 480), (640, 640)))
    noun = rng.choice(subject.nouns)
    name = f"marketing/social/{_slug(noun)}-{number:04d}.gif"
    files.save_gif([draw(subject.scene, size, "noon", rng) for _ in range(3)], _place(target, name))
    return Sample(name, "image", "", metadata={"format": "gif", "width": size[0], "height": size[1]})


def _drawing(target: Path, number: int, rng: Random) -> Sample:
    """Write an SVG diagram with RDF."""
    subject, size = rng.choice(tables.LESSONS + tables.BRANDS), rng.choice(((800, 600), (640, 640), (600, 900)))
    noun, day = rng.choice(subject.nouns), _moment(rng)
    facts = {
        "title": f"{noun.capitalize()} {number}",
        "description": f"A drawing of a {noun}.",
        "creator": rng.choice(tables.CREATORS),
        "tags": (*subject.tags, "vector"),
        "license": rng.choice(tables.LICENSES),
        "date": f"{day:%Y-%m-%d}",
    }
    name = f"drawings/{_slug(noun)}-{number:04d}.svg"
    files.save_svg(_place(target, name), size, accents(rng, 3), facts, rng)
    return _sample(name, "image", facts, {"format": "svg", "width": size[0], "height": size[1]})


def _paper(target: Path, number: int, rng: Random) -> Sample:
    """Write a PDF of one to nine pages."""
    facts, pages = _topic(number, rng), [_prose(rng, rng.randint(6, 30)) for _ in range(rng.randint(1, 9))]
    name = f"documents/{_slug(facts['title'])}-{number:04d}.pdf"
    day = datetime.fromisoformat(f"{facts['date']}T09:30:00+00:00")
    files.save_pdf(_place(target, name), pages, facts, day)
    words = len(facts["title"].split()) + sum(len(page.split()) for page in pages)
    made = {"format": "pdf", "page_count": len(pages), "word_count": words}
    return _sample(name, "pdf", {**facts, "date": f"{facts['date']}T09:30:00Z"}, made)


def _article(target: Path, number: int, rng: Random) -> Sample:
    """Write a Markdown page with front matter, or sometimes a plain text."""
    facts = _topic(number, rng)
    body = "\n\n".join(_prose(rng, rng.randint(3, 7)) for _ in range(rng.randint(3, 12)))
    if number % 4 == 0:
        name = f"texts/{_slug(facts['title'])}-{number:04d}.txt"
        _place(target, name).write_text(f"{facts['title']}\n\n{body}\n", encoding="utf-8")
        words = len(facts["title"].split()) + len(body.split())
        return Sample(name, "text", "", metadata={"format": "txt", "word_count": words})
    name = f"texts/{_slug(facts['title'])}-{number:04d}.md"
    path = _place(target, name)
    files.save_markdown(path, facts, body)
    return _sample(name, "text", facts, {"format": "md", "word_count": len(path.read_text(encoding="utf-8").split())})


def _sound(target: Path, number: int, rng: Random) -> Sample:
    """Write a WAV of a chord, between four seconds and two minutes long."""
    title, seconds, rate = (
        f"{rng.choice(tables.SOUNDS)} {number}",
        rng.choice((4, 8, 15, 30, 45, 60, 90, 120)),
        rng.choice((8000, 16000)),
    )
    facts = {
        "title": title, "creator": rng.choice(tables.CREATORS), "tags": (rng.choice(tables.GENRES),),
        "description": f"A recording of {seconds} seconds.", "date": f"{_moment(rng):%Y-%m-%d}",
    }  # fmt: skip
    name = f"sounds/{_slug(title)}.wav"
    files.save_wav(_place(target, name), seconds, rate, rng.sample(range(110, 880, 55), 3), facts)
    return _sample(name, "audio", facts, {"format": "wav", "duration": seconds, "sample_rate": rate, "channels": 1})


def _sample(name: str, kind: str, facts: dict[str, Any], made: dict[str, Any]) -> Sample:
    day = facts["date"]
    return Sample(
        name,
        kind,
        facts["title"],
        (facts["creator"],),
        tuple(facts["tags"]),
        facts["description"],
        facts.get("license"),
        day if "T" in day else f"{day}T00:00:00Z",
        metadata=made,
    )


def _topic(number: int, rng: Random) -> dict[str, Any]:
    title, tags = rng.choice(tables.TOPICS)
    day = _moment(rng)
    return {
        "title": f"{title} {day:%Y}-{number}",
        "creator": rng.choice(tables.CREATORS),
        "tags": tags,
        "date": f"{day:%Y-%m-%d}",
        "description": f"{title}, written in {day:%B %Y}.",
    }


def _prose(rng: Random, sentences: int) -> str:
    return " ".join(rng.choice(tables.SENTENCES) for _ in range(sentences))


def _moment(rng: Random) -> datetime:
    return _FIRST_DAY + timedelta(days=rng.randrange(_DAYS), minutes=rng.randrange(14 * 60))


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _place(target: Path, name: str) -> Path:
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _slug(text: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())


_KINDS: dict[str, Callable[[Path, int, Random], Sample]] = {
    "photograph": _photograph, "generated": _generated, "poster": _poster, "animation": _animation, "drawing": _drawing,
    "paper": _paper, "article": _article, "sound": _sound,
}  # fmt: skip
# The kinds of thirty files, ordered so that the first dozen includes every kind.
_SEQUENCE = (
    "photograph",
    "generated",
    "drawing",
    "photograph",
    "paper",
    "generated",
    "sound",
    "photograph",
    "article",
    "photograph",
    "poster",
    "animation",
    "photograph",
    "generated",
    "photograph",
    "drawing",
    "photograph",
    "generated",
    "paper",
    "photograph",
    "article",
    "photograph",
    "generated",
    "photograph",
    "sound",
    "drawing",
    "photograph",
    "generated",
    "photograph",
    "photograph",
)
