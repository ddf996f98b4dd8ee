"""The environment of child processes: what a program needs to run, and no setting, which may hold a secret.

Children read untrusted files or listen on a port. What a process was started with can be read in
``/proc/<pid>/environ`` for as long as it lives, so it must be left out at the start.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_KEPT = re.compile(
    r"PATH|HOME|TZ|TMPDIR|LANG|LANGUAGE|LC_[A-Z]+|LD_LIBRARY_PATH|DYLD_[A-Z_]+|VIRTUAL_ENV|SSL_CERT_(FILE|DIR)"
    r"|PYTHON[A-Z0-9]+|COVERAGE_[A-Z_]+|GO(GC|MEMLIMIT|MAXPROCS)|MALLOC_[A-Z_]+"
)
"""Names of variables that a child inherits; whatever else there is may be a credential of some client's."""


def child_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a child process inherits of an environment, by default of this process's."""
    given = os.environ if environment is None else environment
    return {name: value for name, value in given.items() if _KEPT.fullmatch(name)}
