"""Assets: create, read, change, delete, restore."""
