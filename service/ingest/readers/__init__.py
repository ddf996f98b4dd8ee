"""One reader a format: a file's content in, facts out."""
