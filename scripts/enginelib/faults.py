"""What can stop an engine from being started."""

from __future__ import annotations


class Missing(Exception):
    """The machine lacks something that the engine needs; the message says what, and how to get it."""


class Failed(Exception):
    """The engine did not start; the message ends with what it said last."""
