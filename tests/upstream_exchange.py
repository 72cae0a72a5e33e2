"""One exchange on the upstream's side of a socket: what arrived, and the means to answer it."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Literal

from attrs import define, field
from tests.http_fields import Headers, values_of
from tests.upstream_thread import PATIENCE_SECONDS

__all__ = [
    "ClientLeft",
    "Departure",
    "Exchange",
    "Headers",
    "How",
    "NotHttp",
    "ReceivedRequest",
]

How = Literal["fin", "reset"]

_PIECE = 64 * 1024
_BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class ClientLeft(ConnectionError):
    """The client closed its side; the rest of the script has nobody to play to."""


class NotHttp(ValueError):
    """What arrived is not an HTTP/1.1 request."""


@define
class Departure:
    """How and when (`time.monotonic`) the client ended the connection, if it did."""

    how: How | None = None
    at: float = 0.0
    by_us: bool = False
    _happened: threading.Event = field(factory=threading.Event)
    _noticed: asyncio.Event = field(factory=asyncio.Event)

    def note(self, how: How) -> None:
        if self.how is None and not self.by_us:
            self.how, self.at = how, time.monotonic()
            self._happened.set()
        self._noticed.set()

    def wait(self, timeout_seconds: float = PATIENCE_SECONDS) -> How:
        """Block until the client has left; fails the test if it stays."""
        assert self._happened.wait(timeout_seconds), "the client stayed connected"
        assert self.how is not None
        return self.how

    async def noticed(self) -> None:
        await self._noticed.wait()


@define
class ReceivedRequest:
    """A request as its bytes arrived: nothing lower-cased, decoded or merged."""

    line: bytes
    headers: list[tuple[bytes, bytes]]
    departure: Departure
    connection: int
    """Which of the upstream's connections it came on, counted from 1."""
    body: bytearray = field(factory=bytearray)
    chunks: list[bytes] = field(factory=list[bytes])
    """The chunks of a chunked body as they were framed."""
    received: int = 0
    """How many bytes of the body came, whether they were kept or not."""
    complete: bool = False
    """Whether the body ended as its framing says it should."""
    _read: threading.Event = field(factory=threading.Event)

    @property
    def method(self) -> bytes:
        return self.line.split(b" ", 1)[0]

    @property
    def target(self) -> bytes:
        return self.line.split(b" ", 1)[1].rpartition(b" ")[0]

    @property
    def announces_body(self) -> bool:
        lengths = self.values(b"content-length")
        return bool(self.values(b"transfer-encoding")) or lengths not in ([], [b"0"])

    def values(self, name: bytes) -> list[bytes]:
        """The values of every field of that name, in order."""
        return values_of(self.headers, name)

    def wait_until_read(self, timeout_seconds: float = PATIENCE_SECONDS) -> bytes:
        """Block until the body ended, one way or the other, and return it."""
        assert self._read.wait(timeout_seconds), "the body has not ended"
        return bytes(self.body)

    def end(self, *, complete: bool) -> None:
        self.complete = complete
        self._read.set()


@define
class Exchange:
    """One request and its answer on an open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: ReceivedRequest
    ended: bool = False
    """Whether this side closed the connection."""

    async def pieces_of_body(self) -> AsyncIterator[bytes]:
        """The body as it arrives, framing removed."""
        if self.request.values(b"transfer-encoding"):
            async for chunk in self._chunks():
                self.request.chunks.append(chunk)
                yield chunk
        else:
            left = int((self.request.values(b"content-length") or [b"0"])[0])
            while left:
                piece = await self.reader.read(min(left, _PIECE))
                if not piece:
                    raise ClientLeft
                left -= len(piece)
                yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int((await self._line()).partition(b";")[0], 16):
            chunk = await self.reader.readexactly(size + 2)
            if not chunk.endswith(b"\r\n"):
                raise NotHttp(f"chunk of {size} bytes does not end there")
            yield chunk[:-2]
        while await self._line():
            pass

    async def _line(self) -> bytes:
        return (await self.reader.readuntil(b"\r\n"))[:-2]

    async def receive_body(self, *, keep: bool = True, rest_seconds: float = 0) -> None:
        """Read the body to its end, or to where the client broke it off; rest between pieces."""
        complete = False
        try:
            async for piece in self.pieces_of_body():
                self.request.received += len(piece)
                if keep:
                    self.request.body += piece
                if rest_seconds:
                    await asyncio.sleep(rest_seconds)
            complete = True
        except asyncio.IncompleteReadError as broken:
            self.request.body += broken.partial
            raise
        finally:
            self.request.end(complete=complete)

    async def send(self, data: bytes) -> None:
        """Write raw bytes; waits while the client does not read."""
        self._check_client()
        self.writer.write(data)
        await self.writer.drain()

    async def send_head(self, status: int, headers: Headers = ()) -> None:
        """Write a status line and exactly these header fields."""
        lines = [b"HTTP/1.1 %d %s" % (status, _phrase(status))]
        lines += [name + b": " + value for name, value in headers]
        await self.send(b"\r\n".join(lines) + b"\r\n\r\n")

    async def answer(self, status: int, headers: Headers = (), body: bytes = b"") -> None:
        """Write a whole answer, adding Content-Length where its framing is not given."""
        names = {name.lower() for name, _ in headers}
        framed = names & {b"content-length", b"transfer-encoding"} or status in _BODILESS
        length = [] if framed else [(b"Content-Length", b"%d" % len(body))]
        await self.send_head(status, [*headers, *length])
        if self.request.method != b"HEAD":
            await self.send(body)

    async def send_chunk(self, data: bytes) -> None:
        """Write one chunk of the chunked coding; the empty one ends it."""
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def pause(self, seconds: float) -> None:
        """Wait, unless the client leaves meanwhile."""
        try:
            await asyncio.wait_for(self.request.departure.noticed(), seconds)
        except TimeoutError:
            return
        raise ClientLeft

    def end(self) -> None:
        """Take the end of the connection as this side's doing."""
        self.ended = self.request.departure.by_us = True

    def _check_client(self) -> None:
        if self.request.departure.how is not None:
            raise ClientLeft


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"Unassigned"
