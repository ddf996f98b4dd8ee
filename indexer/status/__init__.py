"""The indexer's status, for its own process and for others."""
