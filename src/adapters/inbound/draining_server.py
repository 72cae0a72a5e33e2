"""Stopping without cutting anybody off who can still be served."""

import asyncio
import socket

import uvicorn

from .server_protocol import GuardedProtocol
from .traffic import Traffic

_POLL_SECONDS = 0.05


class DrainingServer(uvicorn.Server):
    """uvicorn's server, which lets what is under way end before it closes what is idle.

    Connections that are open already go on answering meanwhile, so that whoever
    asks for readiness there hears that there is none.
    """

    def __init__(self, config: uvicorn.Config, traffic: Traffic, grace_seconds: float) -> None:
        super().__init__(config)
        self._traffic = traffic
        self._grace_seconds = grace_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen no more, wait for what is under way, and cut what is left after the grace."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._grace_seconds
        self._traffic.is_draining = True
        for listener in self.servers:
            listener.close()
        for connection in list(self.server_state.connections):
            if not (isinstance(connection, GuardedProtocol) and connection.is_idle):
                connection.shutdown()
        while self._traffic.in_flight and loop.time() < deadline and not self.force_exit:  # noqa: ASYNC110 no request pays for an event that is set once
            await asyncio.sleep(_POLL_SECONDS)
        self.config.timeout_graceful_shutdown = max(0, round(deadline - loop.time()))
        await super().shutdown(sockets)
