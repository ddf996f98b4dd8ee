"""``assetry serve``, ``assetry index follow``, ``assetry work``: processes that run until they are stopped."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace

import structlog

from service.api.app import create_app, create_ops_app
from service.runtime import engines
from service.runtime.bootstrap import Service, open_service
from service.runtime.connections import ConnectionLimits
from service.runtime.logs import configure
from service.runtime.processes import Role, open_indexer, open_worker
from service.runtime.server import Server, address, bind
from service.runtime.signals import stoppable
from service.settings import Settings, unknown

_log = structlog.get_logger("assetry.serve")


async def serve(settings: Settings, *, everything: bool) -> None:
    """Run the API until stopped, together with the roles that need no process of their own."""
    _configure_logging(settings)
    with bind(settings.host, settings.port, _names(settings, "port")) as listener, stoppable() as stop:
        url = address(listener)
        async with open_service(settings, everything=everything) as service:
            line = await _banner(service, url)
            app = create_app(replace(service.context, stopping=stop), service.gauges)
            server = Server(
                app,
                lambda: _announce(line),
                settings.shutdown_seconds,
                limits=ConnectionLimits(connections=settings.connections),
                trusted_proxies=settings.trusted_proxies,
            )
            exclusive = engines.is_exclusive(settings)
            with service.base.folder.announced(url) if exclusive else nullcontext():
                await server.run_on(listener, stop)
            _log.info("stopping")


async def follow(settings: Settings) -> None:
    """Run the indexer until stopped."""
    await _run(settings, open_indexer)


async def work(settings: Settings) -> None:
    """Run jobs until stopped."""
    await _run(settings, open_worker)


async def _run(settings: Settings, opened: Callable[[Settings], AbstractAsyncContextManager[Role]]) -> None:
    """Run a role, with health checks and metrics if a port is configured."""
    _configure_logging(settings)
    with stoppable() as stop:
        if settings.ops_port is None:
            async with opened(settings) as role:
                _announce(await _banner(role, None))
                await stop.wait()
                _log.info("stopping")
            return
        with bind(settings.host, settings.ops_port, _names(settings, "ops_port")) as listener:
            async with opened(settings) as role:
                line = await _banner(role, address(listener))
                app = create_ops_app(role.probes, role.gauges)
                await Server(app, lambda: _announce(line), settings.shutdown_seconds).run_on(listener, stop)
                _log.info("stopping")


def _names(settings: Settings, port: str) -> tuple[str, str]:
    """Return the names by which the user gave the address and the port to listen on."""
    return settings.given_as("host"), settings.given_as(port)


def _configure_logging(settings: Settings) -> None:
    """Configure logging, and log a warning for each unknown setting in the environment."""
    configure(settings)
    for name, near in unknown(os.environ).items():
        _log.warning("unknown setting", variable=name, suggestion=near)


async def _banner(process: Service | Role, url: str | None) -> str:
    """Return the line that says which roles a process runs, on which engines, and where it listens."""
    on = await _engines(process)
    where = f"; listens on {url}" if url else ""
    return f"Assetry runs {', '.join(process.runs)}: {on}{where}"


async def _engines(process: Service | Role) -> str:
    """Return the engines of a process for display: ``store mongodb 7.0.5, files s3``."""
    asked = {port: probe for port, probe in process.probes.items() if port != "index"}
    facts = await asyncio.gather(*(probe() for probe in asked.values()))
    named = [
        f"{port} {fact.get('engine', '')} {fact.get('version') or ''}".rstrip()
        for port, fact in zip(asked, facts, strict=True)
    ]
    if process.base.settings.redis_url is None and "worker" in process.runs:
        named.append("jobs in the store")
    return ", ".join(named)


def _announce(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    _log.info(line)
