"""URLs of engines: what a good one is, and how one is shown to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

UNIX = "unix://"
"""A socket in the file system: its path takes the place of a host."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """The nodes of one cluster: URLs without credentials, and the credentials that some of them carried."""

    urls: tuple[str, ...]
    user: str | None
    password: str | None


def fault(url: str, schemes: Sequence[str]) -> str | None:
    """Say what is wrong with an engine's URL, without repeating it: it may hold a password. None when nothing is.

    ``schemes`` are such as ``redis://``. A list of hosts behind one scheme (MongoDB's) is fine.
    """
    scheme = next((scheme for scheme in schemes if url.startswith(scheme)), None)
    if scheme is None:
        return f"must start with {' or '.join(schemes)}"
    if any(character.isspace() for character in url):
        return "must hold no white space"
    if "#" in url and scheme != UNIX and not scheme.startswith("mongodb"):  # its driver knows no fragments
        return "must hold no # (in a password, write it as %23)"
    place = url.removeprefix(scheme).partition("/")[0].partition("?")[0].rpartition("@")[2]
    if scheme == UNIX:
        return None if url.removeprefix(scheme) else "names no path"
    for host in place.split(","):
        name, _, port = host.rpartition("]")[2].partition(":")
        if not name and "]" not in host:
            return "names no host (in a password, write @ as %40, / as %2F, : as %3A)"
        if port and not (port.isdigit() and int(port) < 65536):
            return "has a port that is no number below 65536 (in a password, write @ as %40, / as %2F, : as %3A)"
    return None


def split_hosts(urls: str) -> Hosts:
    """Read URLs separated by commas. Credentials in any of them are those of all.

    Raises ValueError, whose message repeats nothing of them.
    """
    parts = [part.strip() for part in urls.split(",")]
    faults = [wrong for part in parts if (wrong := fault(part, ("https://", "http://")))]
    if faults:
        raise ValueError(faults[0] if len(parts) == 1 else f"each of the URLs {faults[0]}")
    split = [_split(part) for part in parts]
    if len({part.scheme for part in split}) > 1:
        raise ValueError("has hosts with http:// and with https://; all must be the same")
    held = {(part.username, part.password) for part in split if part.username is not None}
    if len(held) > 1:
        raise ValueError("has hosts with different credentials; all must be the same")
    user, password = next(iter(held), (None, None))
    bare = tuple(part._replace(netloc=part.netloc.rpartition("@")[2]).geturl().rstrip("/") for part in split)
    return Hosts(bare, unquote(user) if user else None, unquote(password) if password else None)


def _split(url: str) -> SplitResult:
    """Split a URL. Raises ValueError; Python's own repeats what it does not like, and that may be a password."""
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError(
            "is not a URL (in a password, write what is no letter, digit, - or _ as % and the hexadecimal code)"
        ) from None


def shown(url: str) -> str:
    """Return an engine's URL as logs and messages may show it: without credentials, parameters or database."""
    scheme, separator, rest = url.partition("://")
    if scheme + separator == UNIX:
        return UNIX + rest.rpartition("@")[2].partition("?")[0]
    return f"{scheme}{separator}{rest.partition('/')[0].rpartition('@')[2].partition('?')[0]}"
