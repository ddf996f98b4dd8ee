"""OpenSearch: the complete distribution that the project publishes to Maven Central for integration tests."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from scripts.enginelib.daemon import Daemon, not_root
from scripts.enginelib.java import java_home
from scripts.enginelib.maven import Artifact, unpacked
from scripts.enginelib.places import LOOPBACK, kept_port
from scripts.enginelib.web import fetch

VERSION = "3.7.0"
JAVA = 21
HEAP = "1g"
TESTS = "ASSETRY_TEST_ENGINES"
"""What is in the environment of a test run, but not of a benchmark."""
QUICK = ("-XX:TieredStopAtLevel=1",)
"""For tests, which start and kill many engines: half the processor time until one is ready; slower at its best."""

DISTRIBUTION = Artifact("org.opensearch.distribution.integ-test-zip", "opensearch", VERSION)

# The distribution has no security plugin, so there is nothing to disable.
SETTINGS = """\
cluster.name: assetry-test
discovery.type: single-node
network.host: {host}
http.port: {http}
transport.port: {transport}
cluster.routing.allocation.disk.threshold_enabled: false
action.auto_create_index: false
path.data: {folder}/data
path.logs: {folder}/logs
"""


class OpenSearch:
    """A single node on a free loopback port, with a heap of 1 GB."""

    start_seconds = 180.0

    def obtain(self) -> str:
        """Find Java and fetch the distribution. Raises Missing, Failed."""
        java = java_home(JAVA)
        unpacked(DISTRIBUTION)
        return f"{DISTRIBUTION.coordinates} from Maven, on {java}"

    def launch(self, folder: Path) -> Daemon:
        """Start the node. Raises Missing, Failed."""
        java = java_home(JAVA)
        home = unpacked(DISTRIBUTION)
        config = folder / "config"
        if not config.is_dir():
            _configure(home, folder, config)
        options = [f"-Xms{HEAP}", f"-Xmx{HEAP}", *(QUICK if os.environ.get(TESTS) else ())]
        environment = {
            "OPENSEARCH_JAVA_HOME": str(java),
            "OPENSEARCH_JAVA_OPTS": " ".join(options),
            "OPENSEARCH_PATH_CONF": str(config),
            "OPENSEARCH_TMPDIR": str(folder / "tmp"),
        }
        return Daemon.start([str(home / "bin" / "opensearch")], folder, environment, not_root())

    def ready(self, folder: Path) -> str | None:
        """Return the node's URL once its cluster is usable."""
        url = f"http://{LOOPBACK}:{kept_port(folder)}"
        try:
            return url if self.usable(url) else None
        except (OSError, ValueError):
            return None

    @staticmethod
    def usable(url: str) -> bool:
        """Return whether the node at a URL is in a working cluster. Raises OSError, ValueError."""
        return json.loads(fetch(f"{url}/_cluster/health")).get("status") in {"green", "yellow"}

    def describe(self, url: str) -> str:
        """Return the name and version that the node reports."""
        version = json.loads(fetch(url))["version"]
        return f"{'OpenSearch' if version.get('distribution') == 'opensearch' else 'a server'} {version['number']}"


def _configure(home: Path, folder: Path, config: Path) -> None:
    shutil.copytree(home / "config", config)
    ports = {"http": kept_port(folder), "transport": kept_port(folder, "transport-port")}
    (config / "opensearch.yml").write_text(SETTINGS.format(folder=folder, host=LOOPBACK, **ports))
    options = (config / "jvm.options").read_text().splitlines()
    # Settings that write logs use the distribution's own folder, which does not belong to the engine.
    (config / "jvm.options").write_text("\n".join(line for line in options if "logs/" not in line))
    (folder / "tmp").mkdir()
