"""Skies, ridges, water, forests and cities, drawn in layers from far to near."""

from __future__ import annotations

import math
from random import Random

from PIL import Image, ImageDraw, ImageFilter, ImageOps

from service.demo.paint import PALETTES, Size, glow, gradient, mixed


def _sky(size: Size, mood: str, rng: Random) -> Image.Image:
    top, horizon, sun, _, _ = PALETTES[mood]
    picture = gradient(size, top, horizon)
    width, height = size
    centre = (int(width * rng.uniform(0.2, 0.8)), int(height * rng.uniform(0.18, 0.45)))
    if mood == "night":
        pen = ImageDraw.Draw(picture)
        for _ in range(width // 4):
            at = (rng.randrange(width), rng.randrange(int(height * 0.7)))
            pen.point(at, mixed(top, (255, 255, 255), rng.uniform(0.3, 1.0)))
    glow(picture, centre, int(min(size) * rng.uniform(0.3, 0.5)), mixed(horizon, sun, 0.7))
    disc = int(min(size) * rng.uniform(0.03, 0.06))
    box = (centre[0] - disc, centre[1] - disc, centre[0] + disc, centre[1] + disc)
    ImageDraw.Draw(picture).ellipse(box, sun)
    return picture


def _ridge(size: Size, base: float, rise: float, roughness: float, rng: Random) -> list[tuple[float, float]]:
    """Return a horizon of summed waves; ``base``, ``rise`` are shares of the height, ``roughness`` of short waves."""
    width, height = size
    waves = [(rng.uniform(0.6, 1.4) * 2**octave, rng.uniform(0, math.tau), roughness**octave) for octave in range(6)]
    total = sum(weight for _, _, weight in waves)
    points: list[tuple[float, float]] = []
    for x in range(0, width + 8, 8):
        wave = sum(weight * math.sin(x / width * math.tau * rate + shift) for rate, shift, weight in waves)
        points.append((x, height * (base - rise * wave / total)))
    return [*points, (width + 8, height), (0, height)]


def _land(
    picture: Image.Image, mood: str, rng: Random, *, layers: int, rise: float, roughness: float, foot: float = 1.0
) -> None:
    """Draw ridges from far to near, paler with distance, down to the share ``foot`` of the height."""
    _, _, _, far, near = PALETTES[mood]
    pen = ImageDraw.Draw(picture)
    for layer in range(layers):
        share = layer / max(1, layers - 1)
        base = 0.52 + (foot - 0.58) * share
        pen.polygon(_ridge(picture.size, base, rise * (1 - 0.5 * share), roughness, rng), mixed(far, near, share))


def mountain(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw rough ridges, one behind the other."""
    picture = _sky(size, mood, rng)
    _land(picture, mood, rng, layers=rng.randint(4, 6), rise=0.24, roughness=0.62)
    return picture


def sunset(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw soft hills under an evening sky."""
    picture = _sky(size, "dusk" if mood == "noon" else mood, rng)
    _land(picture, "dusk" if mood == "noon" else mood, rng, layers=3, rise=0.08, roughness=0.35)
    return picture


def lake(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw mountains and their darker, rippled reflection in the water."""
    picture = _sky(size, mood, rng)
    _land(picture, mood, rng, layers=4, rise=0.22, roughness=0.6, foot=0.62)
    width, height = size
    shore = int(height * 0.62)
    mirror = ImageOps.flip(picture.crop((0, max(0, 2 * shore - height), width, shore))).resize((width, height - shore))
    mirror = Image.blend(mirror.filter(ImageFilter.BoxBlur(3)), Image.new("RGB", mirror.size, PALETTES[mood][4]), 0.25)
    picture.paste(mirror, (0, shore))
    pen = ImageDraw.Draw(picture)
    for _ in range(40):
        y, x, length = rng.randint(shore, height), rng.randrange(width), rng.randint(width // 30, width // 6)
        pen.line((x, y, x + length, y), mixed(PALETTES[mood][1], PALETTES[mood][3], rng.random()))
    return picture


def forest(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw rows of pines in front of a ridge."""
    picture = _sky(size, mood, rng)
    _land(picture, mood, rng, layers=1, rise=0.12, roughness=0.5)
    width, height = size
    _, _, _, far, near = PALETTES[mood]
    pen = ImageDraw.Draw(picture)
    rows = 5
    for row in range(rows):
        colour = mixed(far, near, row / (rows - 1))
        foot, tall = height * (0.68 + 0.09 * row), height * (0.12 + 0.06 * row)
        x = -width * 0.02
        while x < width * 1.02:
            tree, half = tall * rng.uniform(0.7, 1.2), tall * rng.uniform(0.16, 0.24)
            for level in range(3):
                top, low, wide = (
                    foot - tree + level * tree * 0.24,
                    foot - tree * (0.55 - level * 0.25),
                    half * (0.5 + 0.25 * level),
                )
                pen.polygon([(x, top), (x - wide, low), (x + wide, low)], colour)
            pen.rectangle((x - half * 0.1, foot - tree * 0.15, x + half * 0.1, foot + height * 0.05), colour)
            x += half * rng.uniform(0.9, 1.9)
        pen.rectangle((0, foot - 2, width, max(height, foot)), colour)
    return picture


def desert(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw dunes with a lit and a shaded side."""
    picture = _sky(size, mood, rng)
    pen = ImageDraw.Draw(picture)
    light, dark = (240, 196, 130), mixed((150, 84, 44), PALETTES[mood][4], 0.4)
    for layer in range(5):
        share = layer / 4
        ridge = _ridge(size, 0.6 + 0.32 * share, 0.1, 0.25, rng)
        pen.polygon(ridge, mixed(light, dark, share))
        shade = [(x + size[0] * 0.03, y + size[1] * 0.02) for x, y in ridge]
        pen.polygon(shade, mixed(light, dark, min(1.0, share + 0.12)))
    return picture


def ocean(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw short waves up to the horizon."""
    picture = _sky(size, mood, rng)
    width, height = size
    horizon = int(height * rng.uniform(0.5, 0.62))
    top, pale, sun, _, _ = PALETTES[mood]
    picture.paste(
        gradient((width, height - horizon), mixed(top, pale, 0.6), mixed(top, (4, 30, 60), 0.6)), (0, horizon)
    )
    pen = ImageDraw.Draw(picture)
    for _ in range(260):
        share = rng.random() ** 1.6
        y, x, length = (
            horizon + int((height - horizon) * share),
            rng.randrange(width),
            int(width * (0.02 + 0.12 * share)),
        )
        pen.arc(
            (x, y, x + length, y + max(3, int(10 * share))),
            200,
            340,
            mixed(pale, sun, rng.random()),
            1 + int(2 * share),
        )
    return picture


def night(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw stars, the band of the Milky Way and dark hills."""
    picture = _sky(size, "night", rng)
    band = Image.new("L", size, 0)
    ImageDraw.Draw(band).line(
        (0, size[1] * rng.uniform(0.3, 0.6), size[0], size[1] * rng.uniform(0, 0.2)), 90, size[1] // 8
    )
    picture.paste((150, 160, 205), (0, 0), band.filter(ImageFilter.BoxBlur(size[1] // 12)))
    _land(picture, "night", rng, layers=3, rise=0.1, roughness=0.45)
    return picture


def city(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw rows of towers with lit windows."""
    picture = _sky(size, mood, rng)
    width, height = size
    _, _, _, far, near = PALETTES[mood]
    pen = ImageDraw.Draw(picture)
    for row in range(3):
        colour, x = mixed(far, near, row / 2), -10
        while x < width:
            wide, tall = rng.randint(width // 22, width // 10), height * rng.uniform(0.16, 0.5) * (1 - 0.22 * row)
            top = height * (0.86 + 0.07 * row) - tall
            pen.rectangle((x, top, x + wide, height), colour)
            for wx in range(x + 5, x + wide - 8, 13):
                for wy in range(int(top) + 8, height, 19):
                    if rng.random() < 0.24:
                        pen.rectangle((wx, wy, wx + 5, wy + 8), mixed(colour, (255, 222, 140), 0.75))
            x += wide + rng.randint(2, 10)
    return picture
