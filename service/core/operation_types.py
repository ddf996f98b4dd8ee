"""The operation types of this version: the one table. How to add one is in docs/how-to-add-an-operation.md."""

from __future__ import annotations

from typing import Any

from service.core.assets.reprocess import REPROCESS
from service.core.bulk.worker import BULK_COLLECTIONS, BULK_DELETE, BULK_FAVORITES, BULK_UPDATE
from service.core.exports.exports import BULK_DOWNLOAD, EXPORT
from service.core.files.garbage import COLLECT
from service.core.operations.registry import OperationType
from service.core.operations.undo import UNDO

OPERATION_TYPES: tuple[OperationType[Any, Any], ...] = (
    COLLECT,
    REPROCESS,
    BULK_UPDATE,
    BULK_COLLECTIONS,
    BULK_FAVORITES,
    BULK_DELETE,
    BULK_DOWNLOAD,
    EXPORT,
    UNDO,
)
