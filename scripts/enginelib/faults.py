"""Errors that prevent an engine from starting."""

from __future__ import annotations


class Missing(Exception):
    """A requirement of the engine is missing on this machine; the message says what, and how to get it."""


class Failed(Exception):
    """The engine did not start; the message ends with the last lines of its log."""
