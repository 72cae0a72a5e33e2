"""The side of the load: connections that send requests and say when what came back."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

import httptools
from attrs import frozen

_PIECE_BYTES = 256 * 1024


@frozen
class Answer:
    """One answer, by the monotonic clock."""

    status: int
    began_at: float
    ended_at: float
    body_bytes: int


class Connection(asyncio.Protocol):
    """A connection that is kept alive and carries one exchange at a time."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._on_chunk: Callable[[bytes], None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._began_at = 0.0
        self._body_bytes = 0

    @classmethod
    async def to(cls, port: int) -> "Connection":
        """Connect to a port of this machine."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, "127.0.0.1", port)
        return connection

    async def exchange(
        self, head: bytes, body: bytes = b"", *, on_chunk: Callable[[bytes], None] | None = None
    ) -> Answer:
        """Send a request and wait for the end of the answer.

        Raises ConnectionError if the connection ends before.
        """
        if self._transport.is_closing():
            raise ConnectionError
        self._answer = asyncio.get_running_loop().create_future()
        self._on_chunk = on_chunk
        self._began_at, self._body_bytes = 0.0, 0
        if len(body) <= _PIECE_BYTES:
            self._transport.write(head + body)
        else:
            await self._upload(head, body)
        return await self._answer

    def close(self) -> None:
        """Leave."""
        self._transport.abort()

    async def _upload(self, head: bytes, body: bytes) -> None:
        self._transport.write(head)
        for start in range(0, len(body), _PIECE_BYTES):
            await self._room.wait()
            self._transport.write(body[start : start + _PIECE_BYTES])

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def data_received(self, data: bytes) -> None:
        if not self._began_at:
            self._began_at = time.monotonic()
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._room.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed before the end"))

    # Called by the parser.

    def on_body(self, piece: bytes) -> None:
        self._body_bytes += len(piece)
        if self._on_chunk is not None:
            self._on_chunk(piece)

    def on_message_complete(self) -> None:
        if self._answer is not None and not self._answer.done():
            status = self._parser.get_status_code()
            ended_at = time.monotonic()
            self._answer.set_result(Answer(status, self._began_at, ended_at, self._body_bytes))
