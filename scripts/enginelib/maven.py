"""Archives from a Maven repository, unpacked once into the cache."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from scripts.enginelib.faults import Failed, Missing
from scripts.enginelib.places import cache_folder, home_folder, writable

_FETCH_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Artifact:
    """A zip by its Maven coordinates."""

    group: str
    name: str
    version: str

    @property
    def coordinates(self) -> str:
        """`group:name:version:zip`."""
        return f"{self.group}:{self.name}:{self.version}:zip"

    @property
    def local(self) -> Path:
        """The path in Maven's local repository. Raises Missing."""
        folder = home_folder() / ".m2" / "repository" / self.group.replace(".", "/") / self.name / self.version
        return folder / f"{self.name}-{self.version}.zip"


def unpacked(artifact: Artifact) -> Path:
    """Return the single folder in the artifact, fetched and unpacked if necessary. Raises Missing, Failed."""
    home = cache_folder() / f"{artifact.name}-{artifact.version}"
    if home.is_dir():
        return home
    with tempfile.TemporaryDirectory(dir=writable(home.parent)) as folder:
        archive = artifact.local if artifact.local.is_file() else _fetch(artifact, Path(folder))
        with zipfile.ZipFile(archive) as content:
            for entry in content.infolist():
                path = Path(content.extract(entry, Path(folder) / "content"))
                mode = entry.external_attr >> 16
                if mode and path.is_file():
                    path.chmod(mode & 0o777 | 0o644)
        (found,) = (Path(folder) / "content").iterdir()
        found.rename(home)  # atomic: a folder with this name is always complete
    return home


def _fetch(artifact: Artifact, folder: Path) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing(
            f"requires Maven to fetch {artifact.coordinates} (on Debian: apt-get install maven), "
            f"or the file {artifact.local}"
        )
    command = [
        maven,
        "-q",
        "-B",
        "dependency:copy",
        f"-Dartifact={artifact.coordinates}",
        f"-DoutputDirectory={folder}",
    ]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"Maven did not fetch {artifact.coordinates} in {_FETCH_SECONDS} s") from error
    archive = folder / artifact.local.name
    if not archive.is_file():
        raise Missing(f"Maven could not fetch {artifact.coordinates}: {(done.stdout + done.stderr).strip()[-800:]}")
    return archive
