"""Verify and repair: a store and an index compared record by record."""
