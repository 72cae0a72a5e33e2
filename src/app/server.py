"""The web server around the application, with the options that the product's promises need."""

import gc
import logging
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import uvicorn

from ..adapters.inbound.buffered_protocol import BufferedGuardedProtocol
from ..adapters.inbound.draining_server import DrainingServer
from ..adapters.inbound.websocket_protocol import WebSocketProtocol
from ..adapters.logs.library_logs import configure_logging
from ..domain.control.policy import CompressionPolicy
from ..domain.http.websockets import PING_SECONDS
from .application import create_app
from .container import Container
from .environment import log_warnings
from .settings import Settings

KEEP_ALIVE_SECONDS = 75
"""Longer than load balancers keep an idle connection, so that they are the ones to close it."""

_log = logging.getLogger("openai_proxy")

_COULD_NOT_START = 3
_DESCRIPTORS_A_REQUEST = 2
_MAX_DESCRIPTORS = 65_536


def serve(container: Container) -> None:
    """Listen and relay until told to stop."""
    settings = container.settings()
    if settings.workers > 1:
        _serve_by_workers(container)
        return
    configure_logging(settings.line_format)
    announce(container)
    run_server(container)


def _serve_by_workers(container: Container) -> None:
    if sys.platform == "win32":
        sys.exit("WORKERS: several processes need fork, which Windows does not have; it must be 1")
    # Each of them runs a server in its turn; and what they are made of is not there on Windows.
    from .workers import serve_by_workers  # noqa: PLC0415

    serve_by_workers(container)


def announce(container: Container) -> None:
    """Say what is to be served, and prepare the process for as much of it as may come."""
    settings = container.settings()
    log_warnings(settings)
    _allow_descriptors(settings.max_concurrency)
    _log.info("Relaying to %s; %s", settings.upstream_base_url, _what_is_kept(container.policy()))


def run_server(
    container: Container,
    listener: socket.socket | None = None,
    on_tick: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve in this process: on `listener` if it is given, calling `on_tick` every second."""
    settings = container.settings()
    config = uvicorn.Config(
        create_app(container),
        callback_notify=on_tick,
        timeout_notify=0,
        **server_options(settings),
    )
    server = DrainingServer(config, container.traffic(), settings.shutdown_grace_s)
    # What stands at the start stays; looking it over would hold the loop for some 20 ms each time.
    gc.freeze()
    with suppress(KeyboardInterrupt):
        server.run(None if listener is None else [listener])
    if not server.started:
        sys.exit(_COULD_NOT_START)


def _what_is_kept(policy: CompressionPolicy) -> str:
    if policy.mode == "off" or not policy.compresses:
        return "keeping everything unless a request asks for less"
    return f"keeping {float(policy.keep_ratio.share):.4g} of the tokens (mode {policy.mode})"


def _allow_descriptors(max_concurrency: int) -> None:
    """Raise the soft limit on open files: at the usual 1024 the 500th request would stand still."""
    if sys.platform == "win32":
        return
    # There is none on Windows.
    import resource  # noqa: PLC0415

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if max(soft, allowed) < _DESCRIPTORS_A_REQUEST * max_concurrency:
        _log.warning(
            "MAX_CONCURRENCY: %s requests at once need more than the %s open files allowed here",
            max_concurrency,
            allowed,
        )


def server_options(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told. Server and Date are the upstream's to send, hence off here."""
    return {
        "host": settings.host,
        "port": settings.port,
        "http": BufferedGuardedProtocol,
        "ws": WebSocketProtocol,
        "ws_ping_interval": PING_SECONDS,
        # An answer may be stuck behind messages that the upstream does not take yet.
        "ws_ping_timeout": None,
        "loop": "asyncio" if sys.platform == "win32" else "uvloop",
        "lifespan": "on",
        "server_header": False,
        "date_header": False,
        "access_log": False,
        "proxy_headers": False,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "log_config": None,
    }
