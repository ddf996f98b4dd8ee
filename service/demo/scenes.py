"""The scenes of the sample library by name."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from PIL import Image, ImageFilter

from service.demo import figures as figures
from service.demo import nature as nature
from service.demo.paint import Size

_SCENES: dict[str, Callable[[Size, str, Random], Image.Image]] = {
    "mountain": nature.mountain,
    "lake": nature.lake,
    "forest": nature.forest,
    "sunset": nature.sunset,
    "desert": nature.desert,
    "ocean": nature.ocean,
    "night": nature.night,
    "city": nature.city,
    "portrait": figures.portrait,
    "brand": figures.brand,
    "bars": figures.bars,
    "atom": figures.atom,
    "cycle": figures.cycle,
    "flow": figures.flow,
}
SCENES = frozenset(_SCENES)
"""The names that :func:`draw` knows."""


def draw(scene: str, size: Size, mood: str, rng: Random) -> Image.Image:
    """Return an RGB picture of ``size`` pixels; equal arguments and generator states give equal pixels."""
    return _SCENES[scene](size, mood, rng).filter(ImageFilter.SMOOTH)
