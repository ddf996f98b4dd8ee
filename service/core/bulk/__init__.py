"""Bulk work on assets: what is asked for, what becomes of each asset, and who starts and runs it."""
