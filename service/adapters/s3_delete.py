"""Deleting an object with what was derived from it."""

from __future__ import annotations

from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from service.adapters.s3_errors import missing
from service.adapters.s3_options import ENGINE
from service.errors import Unavailable


def delete(client: Minio, bucket: str, key: str) -> bool:
    """Delete an object; True if there was one. What is derived goes first: a failure leaves nothing out of reach.

    Blocking; raises Unavailable and what the client raises.
    """
    derived = client.list_objects(bucket, f"{key}.d/", recursive=True)
    names = (DeleteObject(found.object_name) for found in derived if found.object_name)
    for _ in client.remove_objects(bucket, names):
        raise Unavailable(ENGINE, "what is derived from the object can not be deleted")
    try:
        client.stat_object(bucket, key)
    except S3Error as error:
        if missing(error):
            return False
        raise
    client.remove_object(bucket, key)
    return True
