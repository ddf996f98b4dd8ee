"""Whether a word is so few typing errors away from another."""

from __future__ import annotations

from functools import cache


def near_enough(word: str, found: str, edits: int | None) -> bool:
    """Return whether `found` is at most so many edits away; without a number the length of the word says how many."""
    most = edits if edits is not None else 0 if len(word) < 3 else 1 if len(word) < 6 else 2
    return abs(len(word) - len(found)) <= most and distance(word, found) <= most


@cache
def distance(first: str, second: str) -> int:
    """Return the edits between two words: letters put in, left out, changed, or swapped with their neighbour."""
    rows = [list(range(len(second) + 1))]
    for i, left in enumerate(first, 1):
        row = [i]
        for j, right in enumerate(second, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (left != right)))
            if i > 1 and j > 1 and left == second[j - 2] and first[i - 2] == right:
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]
