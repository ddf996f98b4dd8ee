"""Redis: its client, and the quotas and replies ports on it."""
