"""Verify and repair: comparing a store and an index record by record."""
