"""The catch-all around parsers of untrusted files: whatever they raise becomes an IngestError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import IngestError


@contextmanager
def guarded(what: str, filename: str) -> Iterator[None]:
    """Turn any failure inside into IngestError (``memory``, ``limit``, ``malformed``); ``what`` names the action.

    Parsers of third-party formats raise all kinds of exceptions (KeyError, struct.error, AssertionError …), so every
    exception is caught.
    """
    try:
        yield
    except IngestError:
        raise
    except MemoryError as error:
        raise IngestError(f"{what} needs more memory than allowed.", reason="memory", filename=filename) from error
    except RecursionError as error:
        raise IngestError(
            f"{what} failed: the file is nested too deeply.", reason="limit", filename=filename
        ) from error
    except OSError as error:
        if error.filename is not None:  # a problem of the disk, not of the content
            raise
        raise IngestError(f"{what} failed: the file is damaged.", reason="malformed", filename=filename) from error
    except Exception as error:
        raise IngestError(
            f"{what} failed: the file is damaged ({type(error).__name__}).", reason="malformed", filename=filename
        ) from error
