"""The S3 engine's errors as ours: what is wrong with the settings at start, and what is an outage later.

Of what the engine says only its code, a single word, goes into a message.
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
"""Codes of what is not there."""

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
"""Codes of a body that did not arrive as it was sent: it is worth sending again. A 5xx was sent again before."""

_WORD = re.compile(r"[A-Za-z0-9]{1,64}")
_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}

_NO_ROOM: dict[str, str] = {
    "QuotaExceeded": "the bucket's quota is used up",
    "XMinioAdminBucketQuotaExceeded": "the bucket's quota is used up",
    "XMinioStorageFull": "the engine's disk is full",
}
"""Why the engine keeps no more, by its code."""

_OUTAGES: dict[str, str] = {
    "NoSuchBucket": "the bucket is gone",
    "RequestTimeTooSkewed": "this machine's clock and the engine's differ by more than 15 minutes",
    "XMinioServerNotInitialized": "the engine is starting",
    "SlowDown": "the engine asks for fewer requests",
    "SlowDownRead": "the engine asks for fewer requests",
    "SlowDownWrite": "the engine asks for fewer requests",
    "ExpiredToken": "the session of the credentials has run out",
}
"""What happened, by the engine's code."""


class NoCredentials(Exception):
    """AWS's standard chain gives none: never, or not now, for a role's run out and its service may be away."""


_Wrong = Callable[[S3Options], SettingsError]


def _key(options: S3Options) -> SettingsError:
    return SettingsError(ACCESS_KEY, f"{options.shown} does not know this access key: give it one of its own.")


def _secret(options: S3Options) -> SettingsError:
    return SettingsError(SECRET_KEY, f"{options.shown} refuses it: it is not the secret of this access key.")


def _denied(options: S3Options) -> SettingsError:
    return SettingsError(
        ACCESS_KEY,
        f"may not use the bucket {options.bucket!r}: allow s3:ListBucket, s3:GetBucketLocation and "
        "s3:ListBucketMultipartUploads on it, and s3:GetObject, s3:PutObject, s3:DeleteObject and "
        "s3:AbortMultipartUpload on what is in it.",
    )


def _bucket(options: S3Options) -> SettingsError:
    return SettingsError(
        BUCKET, f"there is no bucket {options.bucket!r} at {options.shown}: `assetry db init` makes it."
    )


def _region(options: S3Options) -> SettingsError:
    return SettingsError(REGION, f"is not the region of the bucket {options.bucket!r}: set it to the bucket's.")


def _clock(options: S3Options) -> SettingsError:
    return SettingsError(URL, f"the clocks of {options.shown} and of this machine differ too much: set both by NTP.")


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
"""Which setting is wrong, by the engine's code."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise Unavailable for whatever the client and the local disk raise; blocking code runs inside."""
    try:
        yield
    except AssetryError:
        raise
    except NoCredentials as error:
        raise Unavailable(ENGINE, "no credentials are to be had now") from error
    except S3Error as error:
        if full := _NO_ROOM.get(error.code or ""):
            raise StorageFull(ENGINE, full) from error
        raise Unavailable(ENGINE, _OUTAGES.get(error.code or "", f"the engine answered {_word(error.code)}")) from error
    except ServerError as error:
        raise Unavailable(ENGINE, f"the engine answered with HTTP status {error.status_code}") from error
    except InvalidResponseError as error:
        busy = f"the engine answered with HTTP status {error._code}"
        raise Unavailable(ENGINE, busy if _is_busy(error) else _silence(error)) from error
    except (MinioException, HTTPError, ValueError, SyntaxError) as error:  # SyntaxError: an answer that is no XML
        raise Unavailable(ENGINE, _silence(error)) from error
    except OSError as error:
        if full := _FULL.get(error.errno or 0):
            raise StorageFull(ENGINE, f"the folder of temporary files: {full}") from error
        reason = "it is read-only" if error.errno == errno.EROFS else "it cannot be read or written"
        raise Unavailable(ENGINE, f"the folder of temporary files: {reason}") from error


@contextmanager
def at_start(options: S3Options) -> Iterator[None]:
    """Raise SettingsError for what the engine's first answer says of the settings, and Unavailable for an outage."""
    try:
        with translated():
            yield
    except Unavailable as unavailable:
        wrong = _fault(unavailable.__cause__, options)
        if wrong is None:
            raise
        raise wrong from unavailable.__cause__


def late(error: Exception) -> bool:
    """Say whether something took too long. The library has a refused connection as one of these, too: it is none."""
    if isinstance(error, ProtocolError):  # a body that the engine does not take is a connection that broke
        return any(isinstance(cause, TimeoutError) for cause in error.args)
    return isinstance(error, (ConnectTimeoutError, ReadTimeoutError)) and not isinstance(error, NewConnectionError)


def _is_busy(error: InvalidResponseError) -> bool:
    """Say whether it is a proxy's word that there is no engine behind it now, which is no XML of S3's."""
    return error._code == 429 or error._code >= 500


def missing(error: S3Error) -> bool:
    """Say whether the object, or the upload, is not there."""
    return error.code in MISSING


def _fault(error: BaseException | None, options: S3Options) -> SettingsError | None:
    if isinstance(error, NoCredentials):
        return SettingsError(
            ACCESS_KEY,
            f"no credentials: set it and {SECRET_KEY}, or give the process AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, a profile in ~/.aws/credentials, or a role.",
        )
    if isinstance(error, InvalidResponseError) and _is_busy(error):
        return None
    if isinstance(error, S3Error):
        made = AT_START.get(error.code or "")
        return made(options) if made else None
    if isinstance(error, MaxRetryError):
        error = error.reason
    if isinstance(error, SSLError):
        return _tls(error, options)
    if isinstance(error, (NewConnectionError, ConnectTimeoutError)):
        return SettingsError(
            URL, f"nothing answers at {options.shown}: start the engine there, or name the right host and port."
        )
    if isinstance(error, (InvalidResponseError, ValueError, SyntaxError)):
        return SettingsError(
            URL, f"{options.shown} answers, but not as S3 does: name the port of its S3 API, not of a console or proxy."
        )
    return None


def _tls(error: SSLError, options: S3Options) -> SettingsError:
    cause = error.args[0] if error.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        fix = f"does not vouch for the certificate of {options.shown}: name the file of its authority."
        return SettingsError(CA, fix)
    return SettingsError(URL, f"{options.shown} does not speak TLS, or not this version: should it be http?")


def _silence(error: Exception) -> str:
    reason = (error.reason or error) if isinstance(error, MaxRetryError) else error
    if late(reason):
        return "the engine did not answer in time"
    if isinstance(reason, (InvalidResponseError, ValueError, SyntaxError)):
        return "the engine's answer was not S3"
    return "the engine cannot be reached"


def _word(code: str | None) -> str:
    return code if code and _WORD.fullmatch(code) else "with an error"
