"""The last line before a stranger's bytes: whatever a parser throws becomes an IngestError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import IngestError


@contextmanager
def guarded(what: str, filename: str) -> Iterator[None]:
    """Turn any failure inside into IngestError (``memory``, ``limit``, ``malformed``); ``what`` says what was tried.

    Parsers of foreign formats fail in every way there is (KeyError, struct.error, AssertionError …); the list cannot
    be closed.
    """
    try:
        yield
    except IngestError:
        raise
    except MemoryError as error:
        raise IngestError(f"{what} takes more memory than allowed.", reason="memory", filename=filename) from error
    except RecursionError as error:
        raise IngestError(f"{what} fails: the file nests too deep.", reason="limit", filename=filename) from error
    except OSError as error:
        if error.filename is not None:  # the disk's own trouble, not the content's
            raise
        raise IngestError(f"{what} fails: the file is damaged.", reason="malformed", filename=filename) from error
    except Exception as error:
        raise IngestError(
            f"{what} fails: the file is damaged ({type(error).__name__}).", reason="malformed", filename=filename
        ) from error
