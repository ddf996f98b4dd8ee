"""Reads files: type detection by content, embedded metadata, thumbnails, and the walk over a folder.

Everything that touches untrusted bytes runs in a worker process (:mod:`service.ingest.worker`) with the limits of
:mod:`service.ingest.limits`; nothing here depends on the store, the index or HTTP.
"""
