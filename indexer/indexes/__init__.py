"""The physical indexes behind the alias: names, the plan, swap permits, building and purging."""
