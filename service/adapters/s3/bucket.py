"""Making the bucket: what ``assetry db init`` does for the files."""

from __future__ import annotations

from minio.error import S3Error

from service.adapters.s3.client import client, provider
from service.adapters.s3.errors import at_start
from service.adapters.s3.options import S3Options
from service.adapters.s3.threads import Threads

_START_SECONDS = 10.0  # for an answer: who waits is told that the engine hangs
_OURS = "BucketAlreadyOwnedByYou"  # another process was faster


async def create_bucket(options: S3Options) -> bool:
    """Make the bucket unless it is there; True if it was made. Raises SettingsError, Unavailable.

    Its objects are private; nothing else about it is chosen here.
    """
    threads = Threads(1, options.patience, "s3-init")
    try:
        return await threads.run(_create, options.checked())
    finally:
        await threads.close()


def _create(options: S3Options) -> bool:
    made = client(options, provider(options), idle=_START_SECONDS)
    with at_start(options):
        # Its list says what a HEAD cannot: whether the credentials are wrong, or the bucket is not there.
        try:
            next(iter(made._list_objects(options.bucket, max_keys=1)), None)
        except S3Error as error:
            if error.code != "NoSuchBucket":
                raise
        else:
            return False
        try:
            made.make_bucket(options.bucket, options.region)
        except S3Error as error:
            if error.code != _OURS:
                raise
            return False
    return True
