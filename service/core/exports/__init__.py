"""Exports: what a search finds, or some assets, as a table or an archive that is made once and fetched for a day."""
