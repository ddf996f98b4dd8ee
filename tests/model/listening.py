"""What the indexer logs as an error: in a model, a finding."""

from __future__ import annotations

import logging
from collections.abc import Callable


class _Listener(logging.Handler):
    def __init__(self, heard: Callable[[logging.LogRecord], None]) -> None:
        super().__init__(logging.ERROR)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard(record)


class Listening:
    """A context in which the indexer's errors are heard, and its talk is kept from everybody else."""

    def __init__(self, heard: Callable[[logging.LogRecord], None]) -> None:
        self._handler = _Listener(heard)
        self._log = logging.getLogger("indexer")

    def __enter__(self) -> None:
        self._before = (self._log.level, self._log.propagate)
        self._log.addHandler(self._handler)
        self._log.setLevel(logging.ERROR)
        self._log.propagate = False

    def __exit__(self, *_: object) -> None:
        self._log.removeHandler(self._handler)
        self._log.setLevel(self._before[0])
        self._log.propagate = self._before[1]
