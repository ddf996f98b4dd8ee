"""A reindex: a new index filled while writes go on, verified, then swapped in."""
