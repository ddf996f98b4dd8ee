"""Words as often as in real texts: the word of rank r is drawn with a weight of 1/r (Zipf's law)."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from scripts.benchlib import WORDS

_SYLLABLES = tuple(f"{consonant}{vowel}" for consonant in "bdfgklmnprstvz" for vowel in "aeiou")


@dataclass(frozen=True)
class Vocabulary:
    """Words with the sums of their weights, most frequent first."""

    words: tuple[str, ...]
    sums: tuple[float, ...]

    def draw(self, rng: random.Random, count: int) -> list[str]:
        """Return words by their weights; a word may come twice."""
        return rng.choices(self.words, cum_weights=self.sums, k=count)

    def distinct(self, rng: random.Random, count: int) -> list[str]:
        """Return different words, drawn by their weights."""
        found: dict[str, None] = {}
        while len(found) < min(count, len(self.words)):
            found[self.draw(rng, 1)[0]] = None
        return list(found)


def few() -> Vocabulary:
    """Return the words of the other benchmarks, all equally frequent: each is in most of the records."""
    return Vocabulary(tuple(WORDS), tuple(float(rank) for rank in range(1, len(WORDS) + 1)))


@cache
def zipf(size: int) -> Vocabulary:
    """Return `size` words that can be pronounced, by Zipf's law."""
    made = ["".join(parts) for count in (2, 3) for parts in itertools.product(_SYLLABLES, repeat=count)]
    words = random.Random(size).sample(made, size)
    return Vocabulary(tuple(words), tuple(accumulate(1 / rank for rank in range(1, size + 1))))
