"""Programs built with Go, once, into the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from scripts.enginelib.faults import Failed, Missing
from scripts.enginelib.places import cache_folder, writable

_BUILD_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Program:
    """A program: its Go package and version; `minutes` is about how long the first build takes on two cores."""

    name: str
    package: str
    version: str
    minutes: int

    @property
    def source(self) -> str:
        """The source of the program, for display."""
        return f"built by Go from {self.package}@{self.version}"


def built(program: Program) -> Path:
    """Return the program, built if necessary. Raises Missing, Failed."""
    file = cache_folder() / f"{program.name}-{program.version}"
    if not file.is_file():
        go = shutil.which("go")
        if go is None:
            raise Missing(
                f"requires `{program.name}` on PATH, or Go to build it (on Debian: apt-get install golang-go; "
                f"from {program.package})"
            )
        _install(go, program, file)
    return file


def _install(go: str, program: Program, file: Path) -> None:
    said = f"{program.name}: building {program.package}@{program.version}; about {program.minutes} min, then cached"
    print(said, file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=writable(file.parent)) as folder:
        environment = {**os.environ, "GOBIN": folder}
        if "HOME" not in environment:  # without HOME, Go does not know where to store downloads
            environment |= {"GOPATH": f"{folder}/path", "GOCACHE": f"{folder}/cache", "GOFLAGS": "-modcacherw"}
        command = [go, "install", f"{program.package}@{program.version}"]
        try:
            done = subprocess.run(
                command,
                env=environment,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_BUILD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(f"Go did not build {program.package} in {_BUILD_SECONDS} s") from error
        made = Path(folder) / program.package.rpartition("/")[2]
        if done.returncode or not made.is_file():
            raise Missing(f"Go could not build {program.package}: {done.stderr.strip()[-800:]}")
        made.chmod(0o755)
        made.rename(file)  # atomic: a file with this name is always complete
