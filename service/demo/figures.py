"""People, posters and diagrams in flat, bold shapes."""

from __future__ import annotations

import math
from random import Random

from PIL import Image, ImageChops, ImageDraw

from service.demo.paint import RGB, Size, accents, glow, gradient, label, mixed


def portrait(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw a flat bust in front of discs of light."""
    back, dress, hair_colour = accents(rng, 3)
    picture = gradient(size, mixed(back, (255, 255, 255), 0.55), mixed(back, (20, 20, 40), 0.2))
    width, height = size
    for _ in range(14):
        glow(
            picture,
            (rng.randrange(width), rng.randrange(height)),
            rng.randint(height // 16, height // 6),
            (255, 250, 235),
        )
    skin: RGB = rng.choice([(244, 208, 177), (224, 172, 125), (168, 112, 74), (104, 66, 44)])
    hair = mixed(hair_colour, (30, 20, 16), 0.65)
    unit, mid, top = height * 0.11, width / 2 + width * rng.uniform(-0.04, 0.04), height * 0.2
    pen = ImageDraw.Draw(picture)
    pen.ellipse(
        (mid - 1.75 * unit, top - 0.5 * unit, mid + 1.75 * unit, top + 4.6 * unit * rng.uniform(0.7, 1.05)), hair
    )
    pen.rectangle((mid - 0.55 * unit, top + 3 * unit, mid + 0.55 * unit, top + 5 * unit), mixed(skin, (0, 0, 0), 0.12))
    pen.ellipse((mid - 3.1 * unit, top + 4.4 * unit, mid + 3.1 * unit, top + 10 * unit), dress)
    pen.ellipse((mid - 1.35 * unit, top + 0.1 * unit, mid + 1.35 * unit, top + 3.9 * unit), skin)
    pen.chord((mid - 1.5 * unit, top - 0.35 * unit, mid + 1.5 * unit, top + 2.4 * unit), 180, 360, hair)
    for side in (-1, 1):
        eye = mid + side * 0.55 * unit
        pen.ellipse((eye - 0.13 * unit, top + 1.75 * unit, eye + 0.13 * unit, top + 2.02 * unit), (38, 30, 30))
        pen.arc(
            (eye - 0.3 * unit, top + 1.4 * unit, eye + 0.3 * unit, top + 1.9 * unit),
            200,
            340,
            hair,
            max(2, int(unit / 14)),
        )
    pen.arc(
        (mid - 0.5 * unit, top + 2.5 * unit, mid + 0.5 * unit, top + 3.1 * unit),
        20,
        160,
        (150, 60, 60),
        max(2, int(unit / 11)),
    )
    return picture


def brand(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw a poster of simple shapes around one word."""
    ground, *inks = accents(rng, 4)
    width, height = size
    picture = Image.new("RGB", size, mixed(ground, (255, 255, 255), 0.82))
    layer = Image.new("RGB", size, (255, 255, 255))
    pen = ImageDraw.Draw(layer)
    for _ in range(rng.randint(6, 10)):
        x, y, extent = rng.randrange(width), rng.randrange(height), rng.randint(height // 8, height // 3)
        colour = rng.choice(inks)
        shape = rng.randrange(4)
        if shape == 0:
            pen.ellipse((x - extent, y - extent, x + extent, y + extent), colour)
        elif shape == 1:
            pen.regular_polygon((x, y, extent), rng.choice([3, 4, 6]), rng.randrange(90), colour)
        elif shape == 2:
            pen.arc((x - extent, y - extent, x + extent, y + extent), 0, rng.randint(120, 300), colour, extent // 4)
        else:
            pen.rounded_rectangle((x, y, x + extent * 2, y + extent // 2), extent // 4, colour)
    picture = ImageChops.multiply(picture, layer)
    word = rng.choice(["SPRING", "AURORA", "NORDLAKE", "FRESH", "LAUNCH", "BRIGHT"])
    label(picture, (width // 2, int(height * 0.84)), word, height // 9, (30, 32, 44), box=(255, 255, 255))
    return picture


def bars(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw a bar chart on a grid."""
    width, height = size
    picture = Image.new("RGB", size, (250, 250, 247))
    pen = ImageDraw.Draw(picture)
    for line in range(1, 6):
        y = int(height * (0.14 * line))
        pen.line((width * 0.1, y, width * 0.95, y), (222, 222, 216), 2)
    count = rng.randint(6, 12)
    step, colour = width * 0.82 / count, accents(rng, 1)[0]
    for bar in range(count):
        x, tall = width * 0.12 + bar * step, height * rng.uniform(0.12, 0.68)
        pen.rectangle(
            (x, height * 0.86 - tall, x + step * 0.7, height * 0.86), mixed(colour, (255, 255, 255), 0.35 * (bar % 2))
        )
    pen.line((width * 0.1, height * 0.86, width * 0.95, height * 0.86), (60, 60, 70), 4)
    label(picture, (width // 2, int(height * 0.07)), "mm per month", height // 18, (60, 60, 70))
    return picture


def atom(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw a nucleus in its electron shells."""
    width, height = size
    picture = gradient(size, (22, 28, 56), mixed((46, 60, 104), accents(rng, 1)[0], 0.35))
    centre = (width // 2, height // 2)
    glow(picture, centre, min(size) // 4, (255, 200, 120))
    phase = rng.uniform(0, math.tau)
    pen = ImageDraw.Draw(picture)
    for shell in range(1, rng.randint(3, 5)):
        radius = min(size) * 0.12 * shell
        pen.ellipse(
            (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius),
            outline=(150, 180, 230),
            width=3,
        )
        for electron in range(2 * shell):
            angle = math.tau * electron / (2 * shell) + shell + phase
            x, y, dot = centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle), min(size) * 0.014
            pen.ellipse((x - dot, y - dot, x + dot, y + dot), (120, 220, 255))
    nucleus = min(size) * 0.035
    pen.ellipse((centre[0] - nucleus, centre[1] - nucleus, centre[0] + nucleus, centre[1] + nucleus), (240, 90, 90))
    return picture


def cycle(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw four stages of a cycle on a ring."""
    width, height = size
    picture = gradient(size, (196, 226, 246), (238, 246, 232))
    pen = ImageDraw.Draw(picture)
    stations = rng.choice(
        [("sea", "vapour", "cloud", "rain"), ("plants", "animals", "soil", "air"), ("rock", "sand", "sea", "magma")]
    )
    radius, colours = min(size) * 0.3, accents(rng, 4)
    ring = (width / 2 - radius, height / 2 - radius, width / 2 + radius, height / 2 + radius)
    pen.ellipse(ring, outline=(110, 130, 150), width=max(3, height // 120))
    for number, (station, colour) in enumerate(zip(stations, colours, strict=True)):
        angle = math.tau * number / len(stations) - math.pi / 2
        x, y, disc = width / 2 + radius * math.cos(angle), height / 2 + radius * math.sin(angle), min(size) * 0.11
        pen.ellipse((x - disc, y - disc, x + disc, y + disc), colour)
        label(picture, (int(x), int(y)), station, height // 22, (255, 255, 255))
    return picture


def flow(size: Size, mood: str, rng: Random) -> Image.Image:
    """Draw four steps, one below the other."""
    width, height = size
    picture = Image.new("RGB", size, (246, 247, 250))
    pen = ImageDraw.Draw(picture)
    steps = rng.sample(["draft", "review", "edit", "approve", "publish", "archive", "measure"], 4)
    for number, (step, colour) in enumerate(zip(steps, accents(rng, 4), strict=True)):
        y = height * (0.08 + 0.23 * number)
        pen.rounded_rectangle((width * 0.3, y, width * 0.7, y + height * 0.14), height // 40, colour)
        label(picture, (width // 2, int(y + height * 0.07)), step, height // 18, (255, 255, 255))
        if number < 3:
            pen.line((width / 2, y + height * 0.14, width / 2, y + height * 0.22), (90, 96, 110), max(3, width // 200))
            tip = y + height * 0.23
            pen.polygon([(width / 2, tip), (width / 2 - 9, tip - 14), (width / 2 + 9, tip - 14)], (90, 96, 110))
    return picture
