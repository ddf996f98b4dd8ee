"""Facets: as they are asked for, settled against the registry, as aggregations, and as the engine's answer."""
