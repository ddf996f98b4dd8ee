"""Documents: what PDF, office files, books, web pages and texts say about themselves."""
