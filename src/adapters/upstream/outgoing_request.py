"""How a request is put on the wire: its head, its one framing, and its body."""

import re
from collections.abc import AsyncIterator

import httpx

from .connection import UpstreamConnection
from .raw_messages import Fields

_REQUEST_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ HTTP/1\.1\r\n")
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2."""
_HARMLESS = bytes(set(range(0x100)) - set(b"\0\r\n"))


class OutgoingRequest:
    """A request as its bytes leave.

    Raises httpx.LocalProtocolError if it cannot be written as one HTTP/1.1
    request and nothing else.
    """

    def __init__(self, request: httpx.Request) -> None:
        self.method = request.method
        self.start = b""
        """The body's beginning, which leaves together with the head."""
        self._rest: AsyncIterator[bytes] | None = None
        self._unsent: int | None = None
        """Bytes of the body still to come; None if that is for the chunks to say."""
        fields = list(request.headers.raw)
        names = [name.lower() for name, _ in fields]
        is_chunked, length = _declared_framing(names, fields)
        if b"host" not in names:
            fields.insert(0, (b"Host", request.url.netloc))
        framing = self._frame(request.stream, length, is_chunked=is_chunked)
        self.head = _serialise(request, [*fields, *framing])

    @property
    def is_whole(self) -> bool:
        """Whether `head` and `start` are all of it."""
        return self._rest is None

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again, if no answer came."""
        return self.is_whole and not self.start and self.method in _IDEMPOTENT

    async def gather(self) -> None:
        """Take the first piece of a body, if that may be all there is.

        It spares most requests a task that sends the body while the answer is
        awaited, and a client that is slow to begin does not hold a connection.
        """
        if self._rest is None or self._unsent is None:
            return
        self.start = await anext(self._rest, b"")
        self._count(self.start)
        if self._unsent == 0:
            self._count(await anext(self._rest, b""))
            self._rest = None

    async def send_rest(self, connection: UpstreamConnection, write_timeout: float | None) -> None:
        """Send what does not leave with the head, no faster than it is taken."""
        await connection.drain(write_timeout)
        if self._rest is not None:
            async for piece in self._rest:
                if connection.is_closed:
                    return
                if piece:
                    connection.write(*self._framed(piece))
                    await connection.drain(write_timeout)
            self._finish(connection)
        connection.sent()

    def _framed(self, piece: bytes) -> tuple[bytes, ...]:
        self._count(piece)
        return (b"%x\r\n" % len(piece), piece, b"\r\n") if self._unsent is None else (piece,)

    def _finish(self, connection: UpstreamConnection) -> None:
        if self._unsent is None:
            connection.write(b"0\r\n\r\n")
        elif self._unsent > 0:
            raise httpx.LocalProtocolError("the body is shorter than its Content-Length")

    def _count(self, piece: bytes) -> None:
        if self._unsent is None:
            return
        self._unsent -= len(piece)
        if self._unsent < 0:
            raise httpx.LocalProtocolError("the body is longer than its Content-Length")

    def _frame(self, stream: object, length: int | None, *, is_chunked: bool) -> Fields:
        """Take the body, and say what the fields do not say yet of how it is framed."""
        self._unsent = length
        if isinstance(stream, httpx.ByteStream) and not is_chunked:
            self.start = b"".join(stream)
            if length is None:
                return [(b"Content-Length", b"%d" % len(self.start))] if self.start else []
            if length != len(self.start):
                raise httpx.LocalProtocolError("the body differs from its Content-Length")
            return []
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("an asynchronous transport needs an asynchronous body")
        self._rest = aiter(stream)
        return [] if is_chunked or length is not None else [(b"Transfer-Encoding", b"chunked")]


def _declared_framing(names: list[bytes], fields: Fields) -> tuple[bool, int | None]:
    """Whether the fields say chunked, and the length they give."""
    lengths, codings = names.count(b"content-length"), names.count(b"transfer-encoding")
    if lengths + codings > 1:
        raise httpx.LocalProtocolError("the request has more than one framing")
    if codings:
        _, coding = fields[names.index(b"transfer-encoding")]
        if coding.lower() != b"chunked":
            raise httpx.LocalProtocolError("the only transfer coding is chunked")
        return True, None
    if not lengths:
        return False, None
    _, length = fields[names.index(b"content-length")]
    if not length.isdigit():
        raise httpx.LocalProtocolError("Content-Length is not a number")
    return False, int(length)


def _serialise(request: httpx.Request, fields: Fields) -> bytes:
    target: bytes = request.extensions.get("target") or request.url.raw_path
    head = b"%b %b HTTP/1.1\r\n%b\r\n\r\n" % (
        request.method.encode("ascii"),
        target,
        b"\r\n".join(map(b": ".join, fields)),
    )
    if not _REQUEST_LINE.match(head):
        raise httpx.LocalProtocolError("the method or the target has characters it may not have")
    # One line break a field and no other: a value cannot smuggle in a field or a request.
    if head.translate(None, _HARMLESS) != b"\r\n" * (len(fields) + 2):
        raise httpx.LocalProtocolError("a header field holds a line break or a NUL")
    return head
