"""What happened: events of records from the store's change feed, their log and who follows it; and how assets are used."""
