"""URLs of engines: validation, and how to display them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

UNIX = "unix://"
"""The scheme of a Unix domain socket: its path takes the place of a host."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """The nodes of one cluster: URLs without credentials, and the credentials found in them."""

    urls: tuple[str, ...]
    user: str | None
    password: str | None


def fault(url: str, schemes: Sequence[str]) -> str | None:
    """Return what is wrong with an engine's URL, or None. Never repeats the URL, which may contain a password.

    ``schemes`` look like ``redis://``. A list of hosts after one scheme (as for MongoDB) is valid.
    """
    scheme = next((scheme for scheme in schemes if url.startswith(scheme)), None)
    if scheme is None:
        return f"must start with {' or '.join(schemes)}"
    if any(character.isspace() for character in url):
        return "must not contain spaces"
    if "#" in url and scheme != UNIX and not scheme.startswith("mongodb"):  # MongoDB's driver has no fragments
        return "must not contain # (in a password, write %23)"
    place = url.removeprefix(scheme).partition("/")[0].partition("?")[0].rpartition("@")[2]
    if scheme == UNIX:
        return None if url.removeprefix(scheme) else "must contain a path"
    for host in place.split(","):
        name, _, port = host.rpartition("]")[2].partition(":")
        if not name and "]" not in host:
            return "must contain a host (in a password, write @ as %40, / as %2F, : as %3A)"
        if port and not (port.isdigit() and int(port) < 65536):
            return "must have a port below 65536 (in a password, write @ as %40, / as %2F, : as %3A)"
    return None


def split_hosts(urls: str) -> Hosts:
    """Parse comma-separated URLs. Credentials in any of them apply to all.

    Raises ValueError with a message that does not repeat any of the URLs.
    """
    parts = [part.strip() for part in urls.split(",")]
    faults = [wrong for part in parts if (wrong := fault(part, ("https://", "http://")))]
    if faults:
        raise ValueError(faults[0] if len(parts) == 1 else f"each URL {faults[0]}")
    split = [_split(part) for part in parts]
    if len({part.scheme for part in split}) > 1:
        raise ValueError("must not mix http:// and https://")
    held = {(part.username, part.password) for part in split if part.username is not None}
    if len(held) > 1:
        raise ValueError("must not contain different credentials")
    user, password = next(iter(held), (None, None))
    bare = tuple(part._replace(netloc=part.netloc.rpartition("@")[2]).geturl().rstrip("/") for part in split)
    return Hosts(bare, unquote(user) if user else None, unquote(password) if password else None)


def _split(url: str) -> SplitResult:
    """Split a URL. Raises ValueError without repeating the URL, unlike Python's own error: it may hold a password."""
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError(
            "must be a valid URL (in a password, percent-encode everything but letters, digits, - and _)"
        ) from None


def redacted(url: str) -> str:
    """Return an engine's URL for logs and messages, without credentials, parameters or database."""
    scheme, separator, rest = url.partition("://")
    if scheme + separator == UNIX:
        return UNIX + rest.rpartition("@")[2].partition("?")[0]
    return f"{scheme}{separator}{rest.partition('/')[0].rpartition('@')[2].partition('?')[0]}"
