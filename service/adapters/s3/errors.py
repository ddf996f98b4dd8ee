"""The S3 engine's errors as Assetry's: wrong settings at startup, and outages later.

Of the engine's own words, only its error code, a single word, goes into a message.
"""

from __future__ import annotations

import errno
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from service.adapters.s3.options import ACCESS_KEY, BUCKET, CA, ENGINE, REGION, SECRET_KEY, URL, S3Options
from service.errors import AssetryError, SettingsError, StorageFull, Unavailable

MISSING = frozenset({"NoSuchKey", "NoSuchUpload", "ResourceNotFound"})
"""Codes of an object, upload or bucket that does not exist."""

RESEND = frozenset(
    {
        "BadDigest",
        "ContentSHA256Mismatch",
        "IncompleteBody",
        "RequestTimeout",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
        "XMinioContentSHA256Mismatch",
    }
)
"""Codes of a body that was corrupted on the way, and is worth sending again. A 5xx has been retried already."""

_SAFE_CODE = re.compile(r"[A-Za-z0-9]{1,64}")
_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}

_NO_ROOM: dict[str, str] = {
    "QuotaExceeded": "the bucket's quota is used up",
    "XMinioAdminBucketQuotaExceeded": "the bucket's quota is used up",
    "XMinioStorageFull": "the engine's disk is full",
}
"""Why the engine cannot store more, by its error code."""

_OUTAGES: dict[str, str] = {
    "NoSuchBucket": "the bucket no longer exists",
    "RequestTimeTooSkewed": "this machine's clock and the engine's differ by more than 15 minutes",
    "XMinioServerNotInitialized": "the engine is starting",
    "SlowDown": "the engine asks for fewer requests",
    "SlowDownRead": "the engine asks for fewer requests",
    "SlowDownWrite": "the engine asks for fewer requests",
    "ExpiredToken": "the session of the credentials has expired",
}
"""What happened, by the engine's error code."""


class NoCredentials(Exception):
    """AWS's standard chain found no credentials, or none right now (an expired role whose service is down)."""


_Wrong = Callable[[S3Options], SettingsError]


def _key(options: S3Options) -> SettingsError:
    return SettingsError(ACCESS_KEY, f"{options.redacted} does not know this access key: use one that exists there.")


def _secret(options: S3Options) -> SettingsError:
    return SettingsError(SECRET_KEY, f"{options.redacted} rejected it: it does not belong to this access key.")


def _denied(options: S3Options) -> SettingsError:
    return SettingsError(
        ACCESS_KEY,
        f"is not allowed to use the bucket {options.bucket!r}: allow s3:ListBucket, s3:GetBucketLocation and "
        "s3:ListBucketMultipartUploads on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject and "
        "s3:AbortMultipartUpload on its objects.",
    )


def _bucket(options: S3Options) -> SettingsError:
    return SettingsError(
        BUCKET, f"there is no bucket {options.bucket!r} at {options.redacted}: create it with `assetry db init`."
    )


def _region(options: S3Options) -> SettingsError:
    return SettingsError(REGION, f"the bucket {options.bucket!r} is in another region: set the bucket's region.")


def _clock(options: S3Options) -> SettingsError:
    return SettingsError(URL, f"the clocks of {options.redacted} and this machine differ: synchronize both by NTP.")


AT_START: dict[str, _Wrong] = {
    "InvalidAccessKeyId": _key,
    "InvalidTokenId": _key,
    "InvalidToken": _key,
    "ExpiredToken": _key,
    "SignatureDoesNotMatch": _secret,
    "AccessDenied": _denied,
    "AllAccessDisabled": _denied,
    "NoSuchBucket": _bucket,
    "InvalidBucketName": _bucket,
    "AuthorizationHeaderMalformed": _region,
    "InvalidRegion": _region,
    "InvalidRegionName": _region,
    "PermanentRedirect": _region,
    "Redirect": _region,
    "RequestTimeTooSkewed": _clock,
}
"""Which setting is wrong, by the engine's error code."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise Unavailable for whatever the client and the local disk raise; used around blocking code."""
    try:
        yield
    except AssetryError:
        raise
    except NoCredentials as error:
        raise Unavailable(ENGINE, "no credentials are available") from error
    except S3Error as error:
        if full := _NO_ROOM.get(error.code or ""):
            raise StorageFull(ENGINE, full) from error
        raise Unavailable(
            ENGINE, _OUTAGES.get(error.code or "", f"the engine answered {_safe_code(error.code)}")
        ) from error
    except ServerError as error:
        raise Unavailable(ENGINE, f"the engine answered with HTTP status {error.status_code}") from error
    except InvalidResponseError as error:
        busy = f"the engine answered with HTTP status {error._code}"
        raise Unavailable(ENGINE, busy if _is_busy(error) else _outage_reason(error)) from error
    except (MinioException, HTTPError, ValueError, SyntaxError) as error:  # SyntaxError: the answer is not XML
        raise Unavailable(ENGINE, _outage_reason(error)) from error
    except OSError as error:
        if full := _FULL.get(error.errno or 0):
            raise StorageFull(ENGINE, f"the folder of temporary files: {full}") from error
        reason = "the file system is read-only" if error.errno == errno.EROFS else "cannot read or write it"
        raise Unavailable(ENGINE, f"the folder of temporary files: {reason}") from error


@contextmanager
def at_start(options: S3Options) -> Iterator[None]:
    """Raise SettingsError if the engine's first answer shows that a setting is wrong, and Unavailable for an outage."""
    try:
        with translated():
            yield
    except Unavailable as unavailable:
        wrong = _wrong_setting(unavailable.__cause__, options)
        if wrong is None:
            raise
        raise wrong from unavailable.__cause__


def timed_out(error: Exception) -> bool:
    """Whether something timed out. The library derives a refused connection from a timeout too: that is not one."""
    if isinstance(error, ProtocolError):  # an engine that does not accept a body shows as a broken connection
        return any(isinstance(cause, TimeoutError) for cause in error.args)
    return isinstance(error, (ConnectTimeoutError, ReadTimeoutError)) and not isinstance(error, NewConnectionError)


def _is_busy(error: InvalidResponseError) -> bool:
    """Whether a proxy reports, in something other than S3's XML, that no engine is available behind it."""
    return error._code == 429 or error._code >= 500


def missing(error: S3Error) -> bool:
    """Whether the object, or the upload, does not exist."""
    return error.code in MISSING


def _wrong_setting(error: BaseException | None, options: S3Options) -> SettingsError | None:
    if isinstance(error, NoCredentials):
        return SettingsError(
            ACCESS_KEY,
            f"no credentials: set it and {SECRET_KEY}, or provide AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "a profile in ~/.aws/credentials, or a role.",
        )
    if isinstance(error, InvalidResponseError) and _is_busy(error):
        return None
    if isinstance(error, S3Error):
        settings_error = AT_START.get(error.code or "")
        return settings_error(options) if settings_error else None
    if isinstance(error, MaxRetryError):
        error = error.reason
    if isinstance(error, SSLError):
        return _tls(error, options)
    if isinstance(error, (NewConnectionError, ConnectTimeoutError)):
        return SettingsError(
            URL, f"nothing answers at {options.redacted}: start the engine there, or correct the host and port."
        )
    if isinstance(error, (InvalidResponseError, ValueError, SyntaxError)):
        return SettingsError(
            URL,
            f"{options.redacted} does not answer as S3 does: use the port of its S3 API, not of a console or proxy.",
        )
    return None


def _tls(error: SSLError, options: S3Options) -> SettingsError:
    cause = error.args[0] if error.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        fix = f"the certificate of {options.redacted} is not trusted: name the file of its CA."
        return SettingsError(CA, fix)
    return SettingsError(URL, f"{options.redacted} does not support TLS, or not this version: did you mean http?")


def _outage_reason(error: Exception) -> str:
    reason = (error.reason or error) if isinstance(error, MaxRetryError) else error
    if timed_out(reason):
        return "the engine did not answer in time"
    if isinstance(reason, (InvalidResponseError, ValueError, SyntaxError)):
        return "the engine's answer was not valid S3"
    return "the engine cannot be reached"


def _safe_code(code: str | None) -> str:
    return code if code and _SAFE_CODE.fullmatch(code) else "with an error"
