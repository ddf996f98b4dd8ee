"""The engines known to `scripts/engines`. Add one with one line."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.enginelib.engine import Engine
from scripts.enginelib.minio import Minio
from scripts.enginelib.mongodb import Mongodb
from scripts.enginelib.opensearch import OpenSearch
from scripts.enginelib.redis import Redis
from scripts.enginelib.toxiproxy import Toxiproxy

ENGINES: Mapping[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine("mongodb", "ASSETRY_TEST_MONGODB_URL", Mongodb()),
        Engine("opensearch", "ASSETRY_TEST_OPENSEARCH_URL", OpenSearch()),
        Engine("minio", "ASSETRY_TEST_S3_URL", Minio()),
        Engine("redis", "ASSETRY_TEST_REDIS_URL", Redis()),
        Engine("toxiproxy", "ASSETRY_TEST_TOXIPROXY_URL", Toxiproxy()),
    )
}
