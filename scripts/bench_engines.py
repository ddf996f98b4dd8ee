"""Files through the API compared with the raw MinIO client; memory of a large upload; store operations per second.

The API and the raw client alternate in one run, with the same concurrency, on the same engine, so other load on the
machine affects both. Files: an S3 engine at ASSETRY_TEST_S3_URL (http://ACCESS:SECRET@host:port). Stores: SQLite in a
temporary folder, and MongoDB at ASSETRY_TEST_MONGODB_URL if it is set. `scripts/engines up` starts both.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.benchfiles import S3, files  # noqa: E402
from scripts.benchstores import stores  # noqa: E402


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="scripts/bench engines", description=__doc__)
    parser.add_argument("--sections", default="files,stores", help="comma-separated sections to measure: files, stores")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, alternating API and raw client")
    parser.add_argument("--large", type=int, default=8, help="files of 100 MB per round")
    parser.add_argument("--small", type=int, default=1000, help="files of 10 kB per round")
    parser.add_argument(
        "--upload-mb", type=int, default=2000, help="size of the upload during which memory is measured"
    )
    parser.add_argument("--records", type=int, default=2000, help="number of records in a store")
    chosen = parser.parse_args()
    sections = chosen.sections.split(",")
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    if "files" in sections:
        if S3 in os.environ:
            asyncio.run(files(os.environ[S3], chosen.rounds, chosen.large, chosen.small, chosen.upload_mb))
        else:
            print(f"\nSkipped files: {S3} is not set (scripts/engines up)")
    if "stores" in sections:
        asyncio.run(stores(chosen.records))


if __name__ == "__main__":
    main()
