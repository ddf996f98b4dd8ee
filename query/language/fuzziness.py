"""How far a word may be from another: edits, counted as the engines count them."""

from __future__ import annotations

_ONE_FROM, _TWO_FROM = 3, 6  # the engines' `AUTO`: no edit below 3 characters, two from 6


def edits_of(word: str) -> int:
    """Return the edits that a fuzzy word without a number may have, by its length."""
    return (len(word) >= _ONE_FROM) + (len(word) >= _TWO_FROM)


def within(first: str, second: str, edits: int) -> bool:
    """Return whether two words are at most so many edits apart."""
    return abs(len(first) - len(second)) <= edits and distance(first, second) <= edits


def distance(first: str, second: str) -> int:
    """Return the edit distance of two words: swapping neighbours is one edit."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, sign in enumerate(first, 1):
        last, row = row, [i]
        for j, other in enumerate(second, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (sign != other))
            if before and j > 1 and sign == second[j - 2] and first[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before = last
    return row[-1]
