"""Entity tags that are MD5s, which spares us from working them out: it takes longer than all else of a put."""

from __future__ import annotations

import re

from minio.helpers import ObjectWriteResult

_MD5 = re.compile(r"[0-9a-f]{32}")
_KEYED = ("x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-aws-kms-key-id")
"""Headers of objects whose entity tag is no MD5, though it may look like one."""


class Tags:
    """Whether an engine tells the MD5 of what it was sent in one request, as S3 says it does.

    It is believed once it told one that we knew, and not any more once it told a wrong one.
    """

    def __init__(self) -> None:
        self._seen: set[bool] = set()

    @property
    def believed(self) -> bool:
        """Whether what :meth:`told` returns is right, by all that was seen."""
        return self._seen == {True}

    def told(self, result: ObjectWriteResult) -> str | None:
        """Return the MD5 that an answer to a PUT tells, 32 hex digits; None when it tells none."""
        tag = (result.etag or "").lower()
        keyed = any(name in result.http_headers for name in _KEYED)
        kms = str(result.http_headers.get("x-amz-server-side-encryption", "")).startswith("aws:kms")
        return tag if _MD5.fullmatch(tag) and not keyed and not kms else None

    def compare(self, told: str | None, md5: str) -> None:
        """Learn from an answer to content whose MD5 is known."""
        if told is not None:
            self._seen.add(told == md5)
