"""Parts that every use case may need."""
