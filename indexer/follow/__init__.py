"""Following the change feed: one leader reads changes, writes documents, and saves its position."""
