"""Searching, saved searches, and reading one's own writes."""
