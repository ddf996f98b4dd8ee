"""What `scripts/bench scale` is made of: libraries of any size, the table of what is measured, and how it is shown."""
