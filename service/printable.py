"""Text that came from files and people, made fit to be stored and to be shown on a terminal."""

from __future__ import annotations

import os
import re
from pathlib import PurePath

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_SURROGATE = re.compile("[\ud800-\udfff]")

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but for tab and line feed, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of text (Unicode's Bidi_Control)
    "\u2028\u2029]"  # line and paragraph separator
)
_LAYOUT = re.compile("[\t\n]")


def readable(name: str | PurePath) -> str:
    r"""Return a file name or path as Unicode text.

    Python gives bytes of names that are not UTF-8 as lone surrogates, which neither JSON nor a store can hold. They are
    read as Windows-1252, as most such names were written, so ``caf\xe9.txt`` is ``café.txt``; what that leaves open is
    U+FFFD. The text shows and finds the file, it does not open it.
    """
    text = str(name)
    return _SURROGATE.sub(_byte, text) if _SURROGATE.search(text) else text


def _byte(found: re.Match[str]) -> str:
    try:
        return os.fsencode(found[0]).decode("cp1252")
    except UnicodeError:  # no byte at all, or one of the five that the code page leaves out
        return _REPLACEMENT


def printable(text: str, *, one_line: bool = False) -> str:
    r"""Return a text without anything that a terminal would obey: control characters are shown as ``\x1b``.

    Tabs and line feeds stay, unless it has to be ``one_line``.
    """
    shown = _CONTROL.sub(_escape, readable(text))
    return _LAYOUT.sub(_escape, shown) if one_line else shown


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def escaped_json(text: str) -> str:
    """Return JSON that means the same, with the control characters that JSON allows in texts escaped."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
