"""Creating the bucket: what ``assetry db init`` does for the files."""

from __future__ import annotations

from minio.error import S3Error

from service.adapters.s3.client import client, provider
from service.adapters.s3.errors import at_start
from service.adapters.s3.options import S3Options
from service.adapters.s3.threads import Threads

_START_SECONDS = 10.0  # to wait for an answer, before reporting that the engine hangs
_OURS = "BucketAlreadyOwnedByYou"  # another process was faster


async def create_bucket(options: S3Options) -> bool:
    """Create the bucket unless it exists; return True if it was created. Raises SettingsError, Unavailable.

    Its objects are private; all other properties keep the engine's defaults.
    """
    threads = Threads(1, options.stall, "s3-init")
    try:
        return await threads.run(_create, options.checked())
    finally:
        await threads.close()


def _create(options: S3Options) -> bool:
    made = client(options, provider(options), idle=_START_SECONDS)
    with at_start(options):
        # Unlike a HEAD, listing it tells whether the credentials are wrong or the bucket does not exist.
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
