"""The connections to upstreams that are open, and which of them is free."""

import asyncio
import math
import ssl
from collections.abc import Mapping

import httpx

from .connection import Origin, UpstreamConnection

Timeouts = Mapping[str, float | None]
"""How long each part of an exchange may take, by httpx's names for them."""

READ_BYTES = 256 * 1024
"""The most that is read from a socket at once."""


class ConnectionPool:
    """All connections of a process; who acquires one must release it, whatever happened.

    A slot stands for an exchange that has a connection or is making one; idle
    connections give way where they would exceed the bound together.
    """

    def __init__(self, ssl_context: ssl.SSLContext, limits: httpx.Limits) -> None:
        self._ssl_context = ssl_context
        self._max_connections = limits.max_connections
        self._max_idle = (
            math.inf
            if limits.max_keepalive_connections is None
            else limits.max_keepalive_connections
        )
        self._idle_seconds = limits.keepalive_expiry
        self._slots = asyncio.Semaphore(limits.max_connections) if limits.max_connections else None
        self._taken = 0
        self._arrivals = memoryview(bytearray(READ_BYTES))
        self._idle: dict[UpstreamConnection, float] = {}
        """When each became idle, longest ago first."""
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def acquire(
        self,
        origin: Origin,
        timeouts: Timeouts,
        *,
        fresh: bool = False,
    ) -> UpstreamConnection:
        """A connection to `origin` for one exchange; a new one if it has to be `fresh`."""
        if self._slots is not None:
            await _take_slot(self._slots, timeouts.get("pool"))
        self._taken += 1
        try:
            connection = None if fresh else self._take_idle(origin)
            if connection is None:
                self._make_room()
                connection = await self._connect(origin, timeouts.get("connect"))
        except BaseException:
            self._free_slot()
            raise
        return connection

    def release(self, connection: UpstreamConnection) -> None:
        """End the exchange on `connection`, and keep it if it is fit for another."""
        self._free_slot()
        if not connection.end():
            return
        self._idle[connection] = asyncio.get_running_loop().time()
        if self._is_closed or len(self._idle) > self._max_idle:
            self._drop_oldest()
        elif self._sweep is None:
            self._schedule_sweep()

    def close(self) -> None:
        """Close what is idle; connections in use are closed when they are released."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        while self._idle:
            self._drop_oldest()

    def _free_slot(self) -> None:
        self._taken -= 1
        if self._slots is not None:
            self._slots.release()

    def _take_idle(self, origin: Origin) -> UpstreamConnection | None:
        while connection := self._youngest_idle(origin):
            since = self._idle.pop(connection)
            if self._has_expired(since) or connection.has_ended:
                connection.abort()
            else:
                connection.is_reused = True
                return connection
        return None

    def _youngest_idle(self, origin: Origin) -> UpstreamConnection | None:
        for connection in reversed(self._idle):
            if connection.origin == origin:
                return connection
        return None

    def _make_room(self) -> None:
        if self._max_connections is not None:
            while self._idle and self._taken + len(self._idle) > self._max_connections:
                self._drop_oldest()

    async def _connect(self, origin: Origin, connect_timeout: float | None) -> UpstreamConnection:
        try:
            async with asyncio.timeout(connect_timeout):
                try:
                    return await self._open(origin)
                except OSError:
                    # Nothing was sent, so one more attempt costs nobody anything.
                    return await self._open(origin)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except (OSError, UnicodeError) as error:  # the latter for names no one can look up
            raise httpx.ConnectError(str(error)) from error

    async def _open(self, origin: Origin) -> UpstreamConnection:
        connection = UpstreamConnection(origin, self._arrivals)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                origin.host,
                origin.port,
                ssl=self._ssl_context if origin.scheme == "https" else None,
            )
        except BaseException:
            # Event loops close what is cancelled gently, and TLS may take 30 s to shut down.
            connection.abort()
            raise
        return connection

    def _has_expired(self, since: float) -> bool:
        now = asyncio.get_running_loop().time()
        return self._idle_seconds is not None and now - since >= self._idle_seconds

    def _drop_oldest(self) -> None:
        connection = next(iter(self._idle))
        del self._idle[connection]
        connection.abort()

    def _schedule_sweep(self) -> None:
        if self._idle_seconds is not None:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(self._idle_seconds, self._drop_expired)

    def _drop_expired(self) -> None:
        self._sweep = None
        while self._idle and self._has_expired(next(iter(self._idle.values()))):
            self._drop_oldest()
        if self._idle:
            self._schedule_sweep()


async def _take_slot(slots: asyncio.Semaphore, pool_timeout: float | None) -> None:
    try:
        async with asyncio.timeout(pool_timeout):
            await slots.acquire()
    except TimeoutError:
        raise httpx.PoolTimeout("no connection became free in time") from None
