"""Reading what clients send without a copy of it on the way to the parser."""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

READ_BYTES = 512 * 1024
"""The most that is read from a client at once; each piece of a body costs some calls."""


class SharedBuffer:
    """Makes a server's protocols, whose connections all read into one buffer.

    An event loop has what it read parsed before it reads on.
    """

    def __init__(self, protocol: Callable[..., HttpToolsProtocol]) -> None:
        self._protocol = protocol
        self._arrivals = memoryview(bytearray(READ_BYTES))

    def __call__(self, **options: Any) -> asyncio.BufferedProtocol:
        """The protocol of one connection."""
        return _BufferedProtocol(self._protocol(**options), self._arrivals)


class _BufferedProtocol(asyncio.BufferedProtocol):
    """Whom the event loop calls in place of `protocol`."""

    def __init__(self, protocol: HttpToolsProtocol, arrivals: memoryview) -> None:
        self._protocol = protocol
        self._arrivals = arrivals

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._protocol.connection_made(transport)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (asyncio's)
        return self._arrivals

    def buffer_updated(self, nbytes: int) -> None:
        # uvicorn hands it to the parser, which takes any buffer and copies what it calls back with.
        self._protocol.data_received(self._arrivals[:nbytes])  # type: ignore[arg-type]

    def eof_received(self) -> None:
        self._protocol.eof_received()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()
