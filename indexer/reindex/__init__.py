"""A reindex: a new index is filled while writes go on, verified, and then swapped in."""
