"""What the fields of an asset mean for search: data only, no I/O."""
