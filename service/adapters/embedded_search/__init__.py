"""The search port on the embedded engine, a child process."""
