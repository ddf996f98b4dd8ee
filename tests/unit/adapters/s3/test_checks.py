from __future__ import annotations

import pytest

from service.adapters.s3.checks import checks
from service.adapters.s3.options import S3Options
from service.ports.checks import Health
from tests.unit.adapters.s3.server import s3_engine

ABORT = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
OLD = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>"
DAYS = "<Expiration><Days>7</Days></Expiration>"
MARKER = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"


def rule(content: str, where: str = "<Filter/>", status: str = "Enabled") -> str:
    return f"<Rule><ID>x</ID>{where}<Status>{status}</Status>{content}</Rule>"


@pytest.mark.parametrize(
    ("rules", "health"),
    [
        ("", Health.OK),
        (rule(ABORT), Health.OK),
        (rule(ABORT, ""), Health.OK),
        (rule(OLD), Health.OK),
        (rule(MARKER), Health.OK),
        (rule(DAYS, status="Disabled"), Health.OK),
        (rule(DAYS, "<Filter><Prefix>.uploads/</Prefix></Filter>"), Health.OK),
        (rule("<Transition><Days>9</Days><StorageClass>GLACIER_IR</StorageClass></Transition>"), Health.OK),
        (rule(DAYS), Health.FAILED),
        (rule(ABORT) + rule(DAYS, "<Prefix></Prefix>"), Health.FAILED),
        (rule("<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>"), Health.FAILED),
        (rule(DAYS, "<Filter><And><Prefix>org/</Prefix></And></Filter>"), Health.FAILED),
        (rule("<Transition><Days>9</Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>"), Health.FAILED),
    ],
)
async def test_rules_that_take_files_away_are_found(rules: str, health: Health) -> None:
    """An empty filter, as consoles write it, is of all files; rules that only clean up are what we advise."""
    space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    body = f"<LifecycleConfiguration {space}>{rules}</LifecycleConfiguration>".encode()
    with s3_engine() as engine:
        engine.fail(r"GET \?lifecycle", status=200, body=body)
        found = {check.name: check for check in await checks(S3Options(engine.url))}
    assert found["lifecycle"].health is health
    assert "presigned URLs" in found


@pytest.mark.parametrize("code", ["NoSuchLifecycleConfiguration", "NotImplemented", "AccessDenied"])
async def test_an_engine_without_rules_passes(code: str) -> None:
    with s3_engine() as engine:
        engine.fail(r"GET \?lifecycle", code, 404)
        found = {check.name: check for check in await checks(S3Options(engine.url))}
    assert found["lifecycle"].health is Health.OK
