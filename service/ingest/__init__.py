"""Files in, facts out: type by content, embedded metadata, thumbnails, the walk over a folder.

Everything that touches a stranger's bytes runs in a worker process (:mod:`service.ingest.worker`) with the limits of
:mod:`service.ingest.limits`; nothing here knows the store, the index or HTTP.
"""
