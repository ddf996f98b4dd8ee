"""Drawing helpers for the images of the sample library: colours, gradients, light and letters."""

from __future__ import annotations

from random import Random

from PIL import Image, ImageDraw, ImageFont, ImageOps

RGB = tuple[int, int, int]
Size = tuple[int, int]

# Mood → upper sky, sky at the horizon, sun, far land, near land
PALETTES: dict[str, tuple[RGB, RGB, RGB, RGB, RGB]] = {
    "dawn": ((122, 142, 190), (250, 214, 196), (255, 244, 222), (168, 160, 186), (58, 66, 88)),
    "noon": ((64, 132, 206), (206, 230, 244), (255, 253, 236), (150, 178, 190), (44, 92, 62)),
    "dusk": ((58, 48, 104), (252, 150, 84), (255, 226, 150), (150, 92, 110), (40, 26, 46)),
    "night": ((8, 12, 38), (44, 62, 108), (236, 240, 250), (34, 46, 82), (8, 12, 24)),
}
_ACCENTS: tuple[RGB, ...] = (
    (232, 72, 85),
    (249, 160, 63),
    (255, 210, 63),
    (62, 180, 137),
    (42, 157, 200),
    (88, 80, 180),
    (214, 93, 177),
    (38, 70, 83),
)


def mixed(first: RGB, second: RGB, share: float) -> RGB:
    """Return the colour ``share`` (0 to 1) of the way from the first to the second."""
    return (
        round(first[0] + (second[0] - first[0]) * share),
        round(first[1] + (second[1] - first[1]) * share),
        round(first[2] + (second[2] - first[2]) * share),
    )


def accents(rng: Random, count: int) -> list[RGB]:
    """Return distinct bold colours."""
    return rng.sample(_ACCENTS, count)


def gradient(size: Size, top: RGB, bottom: RGB) -> Image.Image:
    """Return a vertical gradient from one colour at the top to another at the bottom."""
    return ImageOps.colorize(Image.linear_gradient("L").resize(size), top, bottom)


def glow(picture: Image.Image, centre: Size, radius: int, colour: RGB) -> None:
    """Draw a soft disc of light over the picture."""
    mask = ImageOps.invert(Image.radial_gradient("L")).resize((radius * 2, radius * 2))
    mask = mask.point(lambda value: int(value * value / 270))
    picture.paste(colour, (centre[0] - radius, centre[1] - radius), mask)


def label(picture: Image.Image, centre: Size, text: str, height: int, colour: RGB, box: RGB | None = None) -> None:
    """Draw a word centred at a point, ``height`` pixels high, on a box if one is given."""
    font = ImageFont.load_default(max(10, height))
    pen = ImageDraw.Draw(picture)
    if box is not None:
        left, top, right, bottom = pen.textbbox(centre, text, font=font, anchor="mm")
        pen.rectangle((left - height // 3, top - height // 3, right + height // 3, bottom + height // 3), box)
    pen.text(centre, text, colour, font=font, anchor="mm")
