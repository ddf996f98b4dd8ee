"""Archives from a Maven repository, kept in the cache, packed or unpacked."""

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
    """An archive by its Maven coordinates."""

    group: str
    name: str
    version: str
    packaging: str = "zip"
    classifier: str = ""

    @property
    def coordinates(self) -> str:
        """`group:name:version:packaging`, and `:classifier` if there is one."""
        parts = (self.group, self.name, self.version, self.packaging, self.classifier)
        return ":".join(part for part in parts if part)

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}-{self.version}{f'-{self.classifier}' if self.classifier else ''}.{self.packaging}"

    @property
    def local(self) -> Path:
        """The path in Maven's local repository. Raises Missing."""
        folder = home_folder() / ".m2" / "repository" / self.group.replace(".", "/") / self.name / self.version
        return folder / self.file


def fetched(artifact: Artifact) -> Path:
    """Return the artifact's file, from Maven's local repository or fetched into the cache. Raises Missing, Failed."""
    kept = cache_folder() / artifact.file
    for path in (artifact.local, kept):
        if path.is_file():
            return path
    with tempfile.TemporaryDirectory(dir=writable(kept.parent)) as folder:
        return _fetch(artifact, Path(folder)).rename(kept)  # atomic: a file with this name is always complete


def unpacked(artifact: Artifact) -> Path:
    """Return the single folder in a zip, fetched and unpacked if necessary. Raises Missing, Failed."""
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
    archive = folder / artifact.file
    if not archive.is_file():
        raise Missing(f"Maven could not fetch {artifact.coordinates}: {(done.stdout + done.stderr).strip()[-800:]}")
    return archive
