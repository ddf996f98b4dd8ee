"""Facets: the request, its plan by the field registry, the aggregations, and the engine's response."""
