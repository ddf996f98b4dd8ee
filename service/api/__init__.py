"""The HTTP edge: the native API and the dialects, each a thin router over the same use cases."""
