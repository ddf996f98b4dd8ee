"""The indexer's status: what it says of itself, in its own process and to others."""
