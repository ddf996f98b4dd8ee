"""The indexer: it follows the store's change feed and keeps the search index equal to it.

Changes are dirty bits: the record behind a key is read again and written with its rev, so order, repetition and lost
answers do not matter. The index is derived data and can be built again at any time.
"""
