"""The web server around the application, with the options that the product's promises need."""

import logging
import sys
from contextlib import suppress
from typing import Any

import uvicorn

from ..adapters.draining_server import DrainingServer
from ..adapters.server_logs import configure_logging
from ..adapters.server_protocol import GuardedProtocol
from ..adapters.websocket_protocol import WebSocketProtocol
from ..domain.websockets import PING_SECONDS
from .application import create_app
from .container import Container
from .settings import Settings

KEEP_ALIVE_SECONDS = 75
"""Longer than load balancers keep an idle connection, so that they are the ones to close it."""

_log = logging.getLogger("openai_proxy")

_COULD_NOT_START = 3


def serve(settings: Settings) -> None:
    """Listen and relay until told to stop."""
    configure_logging("json" if settings.logs_as_json else "text")
    container = Container(settings=settings)
    _log.info(
        "Relaying to %s, keep ratio %s, compression %s",
        settings.upstream_base_url,
        settings.keep_ratio.share,
        settings.compression_mode,
    )
    config = uvicorn.Config(create_app(container), **server_options(settings))
    server = DrainingServer(config, container.traffic(), settings.shutdown_grace_s)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_COULD_NOT_START)


def server_options(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told. Server and Date are the upstream's to send, hence off here."""
    return {
        "host": settings.host,
        "port": settings.port,
        "http": GuardedProtocol,
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
