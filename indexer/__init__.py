"""The indexer: it follows the store's change feed and keeps the search index in line with it.

A change only says which record changed: the record is read again and written with its rev, so order, duplicates and
lost answers do not matter. The index is derived data and can be rebuilt at any time.
"""
