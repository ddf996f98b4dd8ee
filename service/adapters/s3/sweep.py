"""Removing what failed puts, killed processes and abandoned uploads left in the bucket."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from minio import Minio
from minio.datatypes import Object, Upload
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from service.adapters.s3.errors import missing
from service.adapters.s3.options import ENGINE
from service.adapters.s3.send import MARKERS
from service.errors import Unavailable


def delete(client: Minio, bucket: str, key: str) -> bool:
    """Delete an object; return True if it existed. Derived objects go first, so that a failure leaves no orphans.

    Blocking; raises Unavailable and what the client raises.
    """
    derived = client.list_objects(bucket, f"{key}.d/", recursive=True)
    names = (DeleteObject(found.object_name) for found in derived if found.object_name)
    for _ in client.remove_objects(bucket, names):
        raise Unavailable(ENGINE, "the derived objects could not be deleted")
    try:
        client.stat_object(bucket, key)
    except S3Error as error:
        if missing(error):
            return False
        raise
    client.remove_object(bucket, key)
    return True


STAGES = ".uploads/"
"""The prefix of staged uploads. No key of the port starts with a dot, so no stored object can collide with one."""


class Sweeper:
    """Removes leftovers from one bucket. Several may work at the same time; every method blocks."""

    def __init__(self, client: Minio, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def sweep(self, older_than: float) -> int:
        """Remove leftovers older than ``older_than`` seconds; return how many. Raises what the client raises."""
        oldest = datetime.now(UTC) - timedelta(seconds=older_than)
        removed = self._abort(self._uploads(), oldest)
        for marker in self._older(MARKERS, oldest):
            removed += self._abort(self._uploads(self._key_of(marker)), oldest)
            removed += self._remove(marker)
        for stage in self._older(STAGES, oldest):
            removed += self._remove(stage)
        return removed

    def _uploads(self, key: str = "") -> Iterator[Upload]:
        """List the multipart uploads in progress; with a key, those of that key alone."""
        marker: str | None = None
        while True:
            page = self._client._list_multipart_uploads(self._bucket, prefix=key, key_marker=marker)
            yield from (upload for upload in page.uploads if not key or upload.object_name == key)
            if not page.is_truncated or not page.next_key_marker or page.next_key_marker == marker:
                return
            marker = page.next_key_marker

    def _abort(self, uploads: Iterator[Upload], oldest: datetime) -> int:
        aborted = 0
        for upload in list(uploads):
            name, upload_id, begun = upload.object_name, upload.upload_id, upload.initiated_time
            if not name or not upload_id or begun is None or begun > oldest:
                continue
            try:
                self._client._abort_multipart_upload(self._bucket, name, upload_id)
                aborted += 1
            except S3Error as error:
                if not missing(error):  # another sweeper, or the put itself, was faster
                    raise
        return aborted

    def _older(self, prefix: str, oldest: datetime) -> Iterator[Object]:
        for found in self._client.list_objects(self._bucket, prefix, recursive=True):
            if found.last_modified is not None and found.last_modified < oldest:
                yield found

    def _key_of(self, marker: Object) -> str:
        """Return the key in a marker; empty if the marker has been removed meanwhile."""
        assert marker.object_name is not None
        try:
            response = self._client.get_object(self._bucket, marker.object_name)
        except S3Error as error:
            if missing(error):
                return marker.object_name
            raise
        try:
            return response.read().decode()
        finally:
            response.close()
            response.release_conn()

    def _remove(self, found: Object) -> int:
        assert found.object_name is not None
        self._client.remove_object(self._bucket, found.object_name)
        return 1
