"""Whether words stand in order, or near enough to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.semantics.analysis import Token


def stands(wanted: Sequence[str], found: Sequence[Token], slop: int) -> bool:
    """Return whether the words can be had from the text by at most `slop` moves, each by one place.

    Each word takes a token of its own; how far they are from the order wanted is the width of what is left when each
    position is reduced by the word's place in the phrase (Lucene's sloppy phrases).
    """
    places = [[token.position - at for token in found if token.text == word] for at, word in enumerate(wanted)]
    if not places or not all(places):
        return False
    return any(max(choice) - min(choice) <= slop for choice in _choices(places, (), slop))


def _choices(places: list[list[int]], chosen: tuple[int, ...], slop: int) -> Iterator[tuple[int, ...]]:
    at = len(chosen)
    if at == len(places):
        yield chosen
        return
    taken = {place + index for index, place in enumerate(chosen)}
    for place in places[at]:
        if place + at not in taken and all(abs(place - other) <= slop for other in chosen):
            yield from _choices(places, (*chosen, place), slop)
