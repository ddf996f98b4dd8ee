"""Leaves of ``metadata`` derived from others: never stored, but always available to searches and in responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SQUARE = 0.05
"""A picture whose sides differ by less than this share is a square."""

PANORAMA = 2.0
"""A picture whose width is at least this many times its height is a panorama."""

_SIDEWAYS = frozenset({"5", "6", "7", "8"})
"""EXIF orientations (CIPA DC-008, tag 0x0112) that are displayed rotated by 90 degrees."""


def derived_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the derived leaves of ``metadata`` that are not given: ``aspect``, ``camera``."""
    derived: dict[str, Any] = {}
    if metadata.get("aspect") is None and (shape := aspect(metadata)) is not None:
        derived["aspect"] = shape
    if metadata.get("camera") is None and (camera := _camera(metadata)) is not None:
        derived["camera"] = camera
    return derived


def aspect(metadata: Mapping[str, Any]) -> str | None:
    """Return the displayed shape: square, panorama, landscape or portrait; None without a width and a height."""
    width, height = metadata.get("width"), metadata.get("height")
    if not isinstance(width, int | float) or not isinstance(height, int | float) or width <= 0 or height <= 0:
        return None
    if str(metadata.get("orientation")) in _SIDEWAYS:
        width, height = height, width
    if abs(width - height) < SQUARE * max(width, height):
        return "square"
    if width >= PANORAMA * height:
        return "panorama"
    return "landscape" if width > height else "portrait"


def _camera(metadata: Mapping[str, Any]) -> str | None:
    """Return make and model as one text; the model often repeats the make."""
    make, model = metadata.get("camera_make"), metadata.get("camera_model")
    if not isinstance(make, str) or not make:
        return model if isinstance(model, str) and model else None
    if not isinstance(model, str) or not model:
        return make
    return model if model.casefold().startswith(make.casefold()) else f"{make} {model}"
