"""Keys for what this service hands out and takes back: each purpose has its own, all from the one secret."""

from __future__ import annotations

import hashlib


def derive(secret: str, purpose: str) -> bytes:
    """Return the 32-byte key of a purpose (``links``, ``cursors`` …); one purpose's key says nothing of another's."""
    return hashlib.sha256(f"assetry {purpose}\0".encode() + secret.encode()).digest()
