"""Engines started and stopped by `scripts/engines`: standard library only."""
