"""``assetry serve``."""

from __future__ import annotations

import sys

import structlog

from service.asgi import create_app
from service.bootstrap import open_service
from service.logs import configure
from service.server import Server, address, bind
from service.settings import Settings

_log = structlog.get_logger("assetry.serve")


async def serve(settings: Settings) -> None:
    """Serve until told to stop."""
    configure(settings)
    with bind(settings.host, settings.port) as listener:
        url = address(listener)
        async with open_service(settings) as service:
            app = create_app(service.context, service.gauges)

            def started() -> None:
                sys.stdout.write(f"Assetry listens on {url}\n")
                sys.stdout.flush()
                _log.info("listening", url=url, data=str(service.base.folder.root))

            with service.base.folder.announced(url):
                await Server(app, started).run_on(listener)
            _log.info("stopping")
