"""Processes: the composition root, what each process runs, and what operators ask of it."""
