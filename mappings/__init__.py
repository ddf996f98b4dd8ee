"""What a field of an asset is for search: data only, no I/O."""
