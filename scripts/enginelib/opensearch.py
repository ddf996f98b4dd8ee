"""OpenSearch: the whole distribution that its project publishes to Maven Central for integration tests."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path

from scripts.enginelib.daemon import Daemon
from scripts.enginelib.java import java_home
from scripts.enginelib.maven import Artifact, unpacked

VERSION = "3.7.0"
JAVA = 21
HEAP = "1g"

# The distribution has no security plugin, so there is nothing to switch off. Ports are chosen by the kernel and
# written to `logs/*.ports`.
SETTINGS = """\
cluster.name: assetry-test
discovery.type: single-node
network.host: 127.0.0.1
http.port: 0
transport.port: 0
node.portsfile: true
cluster.routing.allocation.disk.threshold_enabled: false
action.auto_create_index: false
path.data: {folder}/data
path.logs: {folder}/logs
"""


class OpenSearch:
    """A single node on a free port of the loopback interface, its heap 1 GB."""

    start_seconds = 120.0

    def launch(self, folder: Path) -> Daemon:
        """Start the node. Raises Missing, Failed."""
        java = java_home(JAVA)
        home = unpacked(Artifact("org.opensearch.distribution.integ-test-zip", "opensearch", VERSION))
        config = folder / "config"
        shutil.copytree(home / "config", config)
        (config / "opensearch.yml").write_text(SETTINGS.format(folder=folder))
        options = (config / "jvm.options").read_text().splitlines()
        # Those that write logs do so in the distribution's own folder, which is not the engine's.
        (config / "jvm.options").write_text("\n".join(line for line in options if "logs/" not in line))
        (folder / "tmp").mkdir()
        environment = {
            "OPENSEARCH_JAVA_HOME": str(java),
            "OPENSEARCH_JAVA_OPTS": f"-Xms{HEAP} -Xmx{HEAP}",
            "OPENSEARCH_PATH_CONF": str(config),
            "OPENSEARCH_TMPDIR": str(folder / "tmp"),
        }
        return Daemon.start([str(home / "bin" / "opensearch")], folder, environment)

    def ready(self, folder: Path) -> str | None:
        """Return the node's URL once its cluster is usable."""
        try:
            address = (folder / "logs" / "http.ports").read_text().split()[0]
            with urllib.request.urlopen(f"http://{address}/_cluster/health", timeout=5) as answer:
                usable = json.load(answer)["status"] in {"green", "yellow"}
        except (OSError, IndexError, ValueError):
            return None
        return f"http://{address}" if usable else None
