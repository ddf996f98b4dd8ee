"""The store port on an SQLite file."""
