"""Checks of this machine and of the embedded engines, for ``assetry doctor``."""

from __future__ import annotations

import os
import platform
import pwd
import resource
import shutil
import sqlite3
import sys
from pathlib import Path
from tempfile import TemporaryFile

from service.adapters.local.data_folder import DataFolder
from service.adapters.shared.private_files import is_open_to_others
from service.ports.checks import Check, Health

ENGINE = "machine"
DATA = "ASSETRY_DATA"

OLDEST_PYTHON = (3, 11)
FEW_FILES = 4096
"""The number of open files below which a busy service may run out: each connection and each open file counts."""
LITTLE_SPACE = 2 * 2**30
"""Free bytes below which the data folder will soon be full."""


def machine() -> list[Check]:
    """Check what every set-up needs from the machine. Never raises."""
    return [_python(), _open_files()]


def data_folder(folder: DataFolder) -> list[Check]:
    """Check whether the data folder of the embedded engines is writable, and how much space is free.

    Nothing is left behind: of a folder that is not there yet, the one that it would be created in is checked.
    """
    place = next(path for path in (folder.root, *folder.root.parents) if path.exists())
    try:
        with TemporaryFile(dir=place) as scratch:
            scratch.write(b"assetry")
            scratch.flush()
            os.fsync(scratch.fileno())
        free = shutil.disk_usage(place).free
    except OSError as error:
        found = f"{place}: {error.strerror}"
        return [Check(ENGINE, "data folder", Health.FAILED, found, "make it writable for this user", DATA)]
    if folder.database.exists() and is_open_to_others(folder.root):
        found, fix = f"{folder.root}: other users of this machine may enter it", f"chmod 700 {folder.root}"
        return [Check(ENGINE, "data folder", Health.WARNING, found, fix, DATA)]
    room = f"{folder.root}{'' if folder.database.exists() else ' (no store yet)'}, {free / 2**30:.1f} GiB free"
    if free < LITTLE_SPACE:
        return [Check(ENGINE, "data folder", Health.WARNING, room, "free disk space, or use another disk", DATA)]
    return [Check(ENGINE, "data folder", Health.OK, room)]


def embedded_store() -> list[Check]:
    """Describe the embedded store."""
    return [Check("store", "version", Health.OK, f"SQLite {sqlite3.sqlite_version}, in the data folder")]


def embedded_search() -> list[Check]:
    """Check whether the embedded search engine can run on this machine."""
    setting = "ASSETRY_OPENSEARCH_URL"
    try:
        import osmem_server

        binary = Path(osmem_server.resolve_binary())
    except (ImportError, RuntimeError):
        fix = "install osmem-server, or set the URL of an OpenSearch cluster"
        return [Check("search", "version", Health.FAILED, f"no osmem-server for {platform.machine()}", fix, setting)]
    if not os.access(binary, os.X_OK):
        return [Check("search", "version", Health.FAILED, f"{binary} is not executable", "make it executable", setting)]
    return [
        Check("search", "version", Health.OK, "the embedded engine; suitable for up to about 20,000 assets"),
        Check(
            "search",
            "access",
            Health.WARNING if _others() else Health.OK,
            "the embedded engine listens on a port of 127.0.0.1 without a password: every user of this machine can "
            "read and change the index",
            "run it where nobody else has an account (a container, a machine of its own), or use OpenSearch",
            setting,
        ),
    ]


def _others() -> list[str]:
    """Return the accounts of this machine, beside this user's and root's, that someone can log in to."""
    return [
        account.pw_name
        for account in pwd.getpwall()
        if account.pw_uid not in (0, os.geteuid()) and not account.pw_shell.endswith(("nologin", "false", "sync"))
    ]


def _python() -> Check:
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        return Check(ENGINE, "python", Health.FAILED, found, "install Python 3.11 or later")
    return Check(ENGINE, "python", Health.OK, found)


def _open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FEW_FILES:
        fix = f"raise it before you start the service: ulimit -n {FEW_FILES} (LimitNOFILE= in a systemd unit)"
        return Check(ENGINE, "open files", Health.WARNING, f"at most {soft} (hard limit {hard})", fix)
    return Check(ENGINE, "open files", Health.OK, "no limit" if soft == resource.RLIM_INFINITY else f"at most {soft}")
