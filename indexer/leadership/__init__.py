"""Who may write: leases with fences, their renewal, and tasks that one process at a time may do."""
