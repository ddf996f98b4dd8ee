"""Documents to the engine in bulk: items, their outcomes, repetitions and dead letters."""
