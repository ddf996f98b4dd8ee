"""The operation types of this version: the one table. How to add one is in docs/how-to-add-an-operation.md."""

from __future__ import annotations

from typing import Any

from service.core.assets.reprocess import REPROCESS
from service.core.files.garbage import COLLECT
from service.core.operations.registry import OperationType

OPERATION_TYPES: tuple[OperationType[Any, Any], ...] = (COLLECT, REPROCESS)
