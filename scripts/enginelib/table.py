"""The engines that `scripts/engines` knows. Another joins by one line."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.enginelib.engine import Engine
from scripts.enginelib.opensearch import OpenSearch

ENGINES: Mapping[str, Engine] = {
    engine.name: engine for engine in (Engine("opensearch", "ASSETRY_TEST_OPENSEARCH_URL", OpenSearch()),)
}
