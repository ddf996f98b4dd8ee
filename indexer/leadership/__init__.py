"""Who may write: leases with fencing tokens, their renewal, and tasks for one process at a time."""
