"""The API kernel: HTTP without any dialect's words."""
