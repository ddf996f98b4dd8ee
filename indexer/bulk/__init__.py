"""Writing documents to the engine in bulk: items, their outcomes, retries and dead letters."""
