"""Certificates made for one test run by the openssl command: no private key is kept anywhere."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

NEEDS = "needs the openssl command to make certificates"


def available() -> bool:
    return shutil.which("openssl") is not None


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, as files of PEM."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; ``root`` is what its clients trust."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self.root = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        _openssl(
            "req", "-x509", *_NEW_KEY, "-keyout", self._key, "-out", self.root, "-days", "2", "-subj", f"/CN={name}",
            "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip

    def issue(self, name: str, address: str) -> Issued:
        """Return a certificate for an address, such as ``IP:127.0.0.1``."""
        made = Issued(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        _openssl(
            "req", "-x509", *_NEW_KEY, "-keyout", made.key, "-out", made.certificate, "-days", "2",
            "-subj", f"/CN={name}", "-CA", self.root, "-CAkey", self._key,
            "-addext", f"subjectAltName={address}", "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
        return made


def server_side(own: Issued, *, clients: Path | None = None) -> ssl.SSLContext:
    """Return the context of a server; ``clients`` is the authority of the certificates that callers must have."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)
