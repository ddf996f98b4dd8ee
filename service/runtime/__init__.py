"""Processes: the composition root, the roles that processes run, and the tools for operating them."""
