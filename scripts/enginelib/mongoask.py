"""Asks a MongoDB server for its version, and initiates a single-member replica set if needed. Requires PyMongo.

`python mongoask.py URL [HOST:PORT]` prints {"ready": true, "version": "7.0.14", "process": "mongod", "set": "assetry"}.
"""

from __future__ import annotations

import json
import sys
from typing import Any

SECONDS = 4.0
SET = "assetry"
_NOT_INITIATED = 94


def ask(url: str, member: str | None = None) -> dict[str, Any]:
    """Return what a server reports about itself. Raises pymongo.errors.PyMongoError.

    A server started for a replica set that is not initiated yet becomes its only member, as `member`.
    """
    from pymongo import MongoClient
    from pymongo.errors import OperationFailure

    # With a member, ask that server directly: a replica set that is being initiated has no primary yet. Otherwise the
    # URL decides, which an option here would override.
    direct: dict[str, Any] = {} if member is None else {"directConnection": True}
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=int(SECONDS * 1000), **direct) as client:
        hello = client.admin.command("hello")
        if hello.get("isreplicaset") and member is not None:
            try:
                client.admin.command("replSetGetStatus")
            except OperationFailure as error:
                if error.code != _NOT_INITIATED:
                    raise
                members = [{"_id": 0, "host": member}]
                client.admin.command("replSetInitiate", {"_id": SET, "members": members})
        built = client.admin.command("buildInfo")
    return {
        "ready": bool(hello.get("isWritablePrimary")),
        "version": built["version"],
        "process": built.get("process", "mongod"),
        "set": hello.get("setName"),
    }


if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1], *sys.argv[2:3])))
