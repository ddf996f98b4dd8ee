"""Query text to typed clauses: scan, parse with luqum, and resolve names and values by the field registry."""
