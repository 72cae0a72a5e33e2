"""Reading what clients send without a copy of it on the way to the parser."""

import asyncio
import threading
from typing import Any

from .server_protocol import GuardedProtocol

READ_BYTES = 512 * 1024
"""The most that is read from a client at once; each piece of a body costs some calls."""


class _Arrivals(threading.local):
    """Where all connections of a thread, and so of an event loop, read into.

    An event loop has what it read parsed before it reads on.
    """

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(READ_BYTES))


_arrivals = _Arrivals()


class BufferedGuardedProtocol(asyncio.BufferedProtocol):
    """Whom the event loop calls in place of a GuardedProtocol."""

    def __init__(self, **options: Any) -> None:
        self._protocol = GuardedProtocol(**options)
        self._arrivals = _arrivals.buffer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with a connection."""
        self._protocol.connection_made(transport)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        """Its end."""
        self._protocol.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (asyncio's)
        """Where to read into."""
        return self._arrivals

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what was read."""
        # uvicorn hands it to the parser, which takes any buffer and copies what it calls back with.
        self._protocol.data_received(self._arrivals[:nbytes])  # type: ignore[arg-type]

    def eof_received(self) -> None:
        """The client sends nothing more."""
        self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Write no more until told to."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Write again."""
        self._protocol.resume_writing()
