"""The least that relaying costs in Python: bytes passed on by uvloop, without a look at them.

Command: bare_relay.py PORT UPSTREAM_PORT
"""

import asyncio
import sys
from functools import partial
from typing import cast

import uvloop


class _Side(asyncio.Protocol):
    """One of the two connections of a client, and what arrives on it."""

    transport: asyncio.Transport
    other: "_Side"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 ended is ended
        self.other.transport.close()

    def pause_writing(self) -> None:
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.other.transport.resume_reading()


class _Client(_Side):
    """What arrives before the upstream is there waits for it."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._opening = asyncio.ensure_future(self._open())

    def data_received(self, data: bytes) -> None:
        if self._opening.done():
            super().data_received(data)
        else:
            self._early.append(data)

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        _, self.other = await loop.create_connection(_Side, "127.0.0.1", self._upstream_port)
        self.other.other = self
        self.other.transport.writelines(self._early)


async def serve(port: int, upstream_port: int) -> None:
    """Pass on whatever comes, for ever."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        partial(_Client, upstream_port), "127.0.0.1", port, backlog=2048
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(*map(int, sys.argv[1:])))
