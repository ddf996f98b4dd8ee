"""Query text to typed clauses: scan, parse by luqum, names and values settled against the field registry."""
