"""A client that writes raw HTTP/1.1 and sees how, and when, an answer really came."""

import socket
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress

from attrs import Factory, define, frozen
from tests.http_fields import Headers, values_of
from tests.upstream_thread import PATIENCE_SECONDS

_PIECE = 64 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time at all


@frozen
class Answer:
    """An answer as its bytes came: names and values as spelt, nothing decoded."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    complete: bool
    """Whether the body ended as its framing says it should."""

    def values(self, name: bytes) -> list[bytes]:
        """The values of every field of that name, in order."""
        return values_of(self.headers, name)


class Broken(ConnectionError):
    """The connection ended where more had to come."""


@define
class RawClient:
    """One connection to the proxy."""

    socket: socket.socket
    _buffer: bytearray = Factory(bytearray)

    def send(self, data: bytes) -> None:
        """Write these bytes."""
        self.socket.sendall(data)

    def ask(
        self, method: bytes, target: bytes, headers: Headers = (), body: bytes | None = None
    ) -> Answer:
        """Send a whole request and receive its answer."""
        self.send(request(method, target, headers, body))
        return self.receive_answer(has_body=method != b"HEAD")

    def receive_answer(self, *, has_body: bool = True) -> Answer:
        """The next final answer, to its end or to where it breaks off."""
        status, headers = self.receive_head()
        while status < 200:
            status, headers = self.receive_head()
        body = bytearray()
        if not has_body or status in (204, 304):
            return Answer(status, headers, b"", complete=True)
        try:
            for piece in self.pieces(headers):
                body += piece
        except (Broken, ConnectionResetError, ValueError):
            return Answer(status, headers, bytes(body), complete=False)
        return Answer(status, headers, bytes(body), complete=True)

    def receive_head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """The next head, interim ones included."""
        lines: list[bytes] = []
        while line := self._line():
            lines.append(line)
        pairs = [line.partition(b":") for line in lines[1:]]
        fields = [(name, value.strip(b" \t")) for name, _, value in pairs]
        return int(lines[0].split(b" ")[1]), fields

    def pieces(self, headers: Headers) -> Iterator[bytes]:
        """The body as it arrives, framing removed."""
        fields = {name.lower(): value for name, value in headers}
        if fields.get(b"transfer-encoding") == b"chunked":
            yield from self._chunks()
        elif b"content-length" in fields:
            yield from self._exactly(int(fields[b"content-length"]))
        else:
            yield from self._rest()

    def is_closed(self, timeout_seconds: float = PATIENCE_SECONDS) -> bool:
        """Whether the other side ends the connection without another word."""
        self.socket.settimeout(timeout_seconds)
        with suppress(ConnectionResetError):
            return not self._buffer and self.socket.recv(1) == b""
        return True

    def reset(self) -> None:
        """Leave with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._line().partition(b";")[0], 16):
            yield b"".join(self._exactly(size))
            if self._line():
                raise ValueError("a chunk is longer than it says")
        while self._line():
            pass

    def _exactly(self, left: int) -> Iterator[bytes]:
        while left:
            if not self._buffer:
                self._fill()
            piece = bytes(self._buffer[:left])
            del self._buffer[:left]
            left -= len(piece)
            yield piece

    def _rest(self) -> Iterator[bytes]:
        with suppress(Broken):
            while True:
                if not self._buffer:
                    self._fill()
                piece = bytes(self._buffer)
                self._buffer.clear()
                yield piece

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._fill()
        line, _, rest = bytes(self._buffer).partition(b"\r\n")
        self._buffer[:] = rest
        return line

    def _fill(self) -> None:
        piece = self.socket.recv(_PIECE)
        if not piece:
            raise Broken
        self._buffer += piece


@contextmanager
def connected(
    address: str, timeout_seconds: float = 10, receive_buffer: int | None = None
) -> Generator[RawClient]:
    """A connection to `host:port`; with a small `receive_buffer` the kernel reads little ahead."""
    host, _, port = address.rpartition(":")
    with socket.socket() as sock:
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(timeout_seconds)
        sock.connect((host, int(port)))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield RawClient(sock)


def request(
    method: bytes, target: bytes, headers: Headers = (), body: bytes | None = None
) -> bytes:
    """A whole request; Host and Content-Length are added where they are missing."""
    names = {name.lower() for name, _ in headers}
    fields = list(headers)
    if b"host" not in names:
        fields.insert(0, (b"Host", b"localhost"))
    if body is not None and not names & {b"content-length", b"transfer-encoding"}:
        fields.append((b"Content-Length", b"%d" % len(body)))
    lines = [b"%s %s HTTP/1.1" % (method, target), *[n + b": " + v for n, v in fields]]
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def chunked(*chunks: bytes) -> bytes:
    """A body in the chunked coding, ended."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
