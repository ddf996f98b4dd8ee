"""Inflected forms: the stems of words, by the Snowball stemmers of the languages that a process is set to.

`PyStemmer` holds the algorithms of https://snowballstem.org. Words are folded before they are stemmed, on both sides,
so that a word written without its accents has the same stem.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import chain

import Stemmer

DEFAULT_LANGUAGES: tuple[str, ...] = ("english",)
LANGUAGES: frozenset[str] = frozenset(Stemmer.algorithms()) - {"porter", "dutch_porter"}
"""The languages that have a stemmer."""

_CACHED_WORDS = 1 << 16
_own = threading.local()  # a stemmer is not to be shared between threads
_languages = DEFAULT_LANGUAGES


def languages() -> tuple[str, ...]:
    """Return the languages whose inflected forms are found, sorted."""
    return _languages


def use_languages(names: tuple[str, ...]) -> None:
    """Set the languages of this process, before it indexes or searches anything; none: words are found as they are.

    An index is built for one choice of languages: another one changes `mappings.index.mapping_hash`. Raises ValueError
    for a language without a stemmer.
    """
    global _languages
    unknown = sorted(set(names) - LANGUAGES)
    if unknown:
        raise ValueError(f"there is no stemmer for {', '.join(unknown)}")
    _languages = tuple(sorted(set(names)))
    _cache.clear()


def stems(token: str) -> tuple[str, ...]:
    """Return the stems of a folded word, each once, one for each language; a word with digits is its own stem."""
    return _cache[token]


def stems_of(tokens: Iterable[str]) -> Iterator[str]:
    """Return the stems of folded words, one after the other: of a whole text, without a call for each word."""
    return chain.from_iterable(map(_cache.__getitem__, tokens))


class _Cache(dict[str, tuple[str, ...]]):
    """The stems of words that came before; it is emptied when it is full, and texts soon fill it with their words."""

    def __missing__(self, token: str) -> tuple[str, ...]:
        if len(self) >= _CACHED_WORDS:
            self.clear()
        self[token] = found = _stems(token, _languages)
        return found


_cache = _Cache()


def _stems(token: str, names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or not token.isalpha():
        return (token,)
    return tuple(dict.fromkeys(_stemmer(name).stemWord(token) for name in names))


def _stemmer(name: str) -> Stemmer.Stemmer:
    found: dict[str, Stemmer.Stemmer] = _own.__dict__.setdefault("stemmers", {})
    if name not in found:
        found[name] = Stemmer.Stemmer(name)
    return found[name]
