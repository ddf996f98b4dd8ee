"""The physical indexes behind the alias: names, the plan, swap permits, builds and purges."""
