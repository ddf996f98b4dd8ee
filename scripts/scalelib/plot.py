"""Lines over logarithmic axes as an SVG, for the growth of times with the number of records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 900, 460
_LEFT, _TOP, _RIGHT, _BOTTOM = 70, 20, 330, 50
_COLOURS = (
    "#1b6ca8",
    "#c0392b",
    "#1e8449",
    "#8e44ad",
    "#b9770e",
    "#117a65",
    "#5d6d7e",
    "#d35400",
    "#2c3e50",
    "#7d6608",
)
_HEAD = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'

Line = Sequence[tuple[float, float]]


def svg(lines: Mapping[str, Line], *, across: str, up: str) -> str:
    """Return the picture of named lines of positive points; `across` and `up` are the names of the axes."""
    points = [point for line in lines.values() for point in line]
    xs, ys = _Axis([x for x, _ in points], _LEFT, WIDTH - _RIGHT), _Axis([y for _, y in points], HEIGHT - _BOTTOM, _TOP)
    parts = [*_grid(xs, ys), *_names(across, up)]
    for at, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[at % len(_COLOURS)]
        path = " ".join(f"{xs(x):.1f},{ys(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{xs(x):.1f}" cy="{ys(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in line]
        parts.append(_text(WIDTH - _RIGHT + 40, _TOP + 12 + 22 * at, name))
        parts.append(_square(WIDTH - _RIGHT + 20, _TOP + 3 + 22 * at, colour))
    return "\n".join([_HEAD, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>"]) + "\n"


class _Axis:
    """Places values by their logarithms between two ends, which are powers of ten."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self._begin, self._length = begin, end - begin

    def __call__(self, value: float) -> float:
        return self._begin + self._length * (math.log10(value) - self.low) / (self.high - self.low)

    @property
    def powers(self) -> list[float]:
        """The powers of ten on the axis."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def _grid(xs: _Axis, ys: _Axis) -> list[str]:
    line = '<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="#ddd"/>'
    found = [line.format(xs(x), _TOP, xs(x), HEIGHT - _BOTTOM) for x in xs.powers]
    found += [line.format(_LEFT, ys(y), WIDTH - _RIGHT, ys(y)) for y in ys.powers]
    found += [_text(xs(x), HEIGHT - _BOTTOM + 18, f"{x:,.0f}", "middle") for x in xs.powers]
    return found + [_text(_LEFT - 8, ys(y) + 4, f"{y:,g}", "end") for y in ys.powers]


def _names(across: str, up: str) -> list[str]:
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    return [
        _text(middle, HEIGHT - 10, across, "middle"),
        _text(0, 0, up, "middle").replace("<text", f'<text transform="translate(16 {HEIGHT // 2}) rotate(-90)"'),
    ]


def _square(x: float, y: float, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="12" height="10" fill="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="13">{escape(text)}</text>'
