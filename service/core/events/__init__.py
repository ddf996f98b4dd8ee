"""What happened: events of records from the change feed, their log and its followers; and how assets are used."""
