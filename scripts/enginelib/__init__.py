"""Engines started and ended by `scripts/engines`: standard library only."""
