"""One reader per format: the content of a file in, facts out."""
