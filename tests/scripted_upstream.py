"""An upstream on a real loopback socket that plays what a test scripts for it.

A script is what happens from the upstream's point of view, step by step:

    with ScriptedUpstream() as upstream:
        upstream.plays(receive(), head(200, CHUNKED), chunk(b"half"), reset())

Faults are steps like any other: `reset`, `stall`, `close` before the end,
`receive_slowly`, and `send` for half a head, a bad chunk or garbage. An early
answer is one that stands before `receive`.

Each request takes the next script; without one, the upstream answers like a
small OpenAI. It lives in a thread with an event loop of its own, so tests
may block or be asynchronous as they like. What arrived is in `requests`.
"""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable
from typing import cast

from tests.http_fields import Headers
from tests.openai_answers import answer_like_openai
from tests.upstream_exchange import ClientLeft, Departure, Exchange, How, NotHttp, ReceivedRequest
from tests.upstream_thread import PATIENCE_SECONDS, UpstreamThread

__all__ = [
    "CHUNKED",
    "EVENT_STREAM",
    "ClientLeft",
    "Departure",
    "Exchange",
    "Headers",
    "How",
    "ReceivedRequest",
    "ScriptedUpstream",
    "Step",
    "answer",
    "answer_like_openai",
    "chunk",
    "close",
    "end_of_chunks",
    "event",
    "head",
    "pause",
    "receive",
    "receive_slowly",
    "reset",
    "send",
    "stall",
    "until",
]

Step = Callable[[Exchange], Awaitable[None]]

CHUNKED: Headers = [(b"Transfer-Encoding", b"chunked")]
EVENT_STREAM: Headers = [(b"Content-Type", b"text/event-stream"), *CHUNKED]

_HEAD_LIMIT = 256 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time at all


def receive(*, keep: bool = True) -> Step:
    """Read the body to its end; without `keep`, count on it being sent but forget it."""
    return lambda exchange: exchange.receive_body(keep=keep)


def receive_slowly(rest_seconds: float) -> Step:
    """Read the body, forgetting it, with a rest after each piece of at most 64 KiB."""
    return lambda exchange: exchange.receive_body(keep=False, rest_seconds=rest_seconds)


def send(data: bytes) -> Step:
    """Write these bytes, whatever they are: half a head, garbage, a bad chunk."""
    return lambda exchange: exchange.send(data)


def head(status: int, headers: Headers = ()) -> Step:
    """Write a status line and exactly these header fields; 1xx as well."""
    return lambda exchange: exchange.send_head(status, headers)


def answer(status: int = 200, headers: Headers = (), body: bytes = b"") -> Step:
    """Write a whole answer, with Content-Length where the framing is not given."""
    return lambda exchange: exchange.answer(status, headers, body)


def chunk(data: bytes) -> Step:
    """Write one chunk of the chunked coding."""
    return lambda exchange: exchange.send_chunk(data)


def event(data: bytes) -> Step:
    """Write one server-sent event as a chunk of its own."""
    return chunk(b"data: " + data + b"\n\n")


def end_of_chunks() -> Step:
    """Write the last chunk, which ends the answer cleanly."""
    return chunk(b"")


def pause(seconds: float) -> Step:
    """Let time pass; the script ends here if the client leaves meanwhile."""
    return lambda exchange: exchange.pause(seconds)


def until(signal: threading.Event) -> Step:
    """Wait for the test to set `signal`."""

    async def step(_: Exchange) -> None:
        while not signal.is_set():  # noqa: ASYNC110 (the test sets it from another thread)
            await asyncio.sleep(0.001)

    return step


def stall() -> Step:
    """Say nothing more until the client leaves."""

    async def step(exchange: Exchange) -> None:
        await exchange.request.departure.noticed()
        raise ClientLeft

    return step


def close() -> Step:
    """End the connection in order, with FIN."""

    async def step(exchange: Exchange) -> None:
        exchange.end()
        exchange.writer.close()

    return step


def reset() -> Step:
    """End the connection with RST, as a crashed machine or a firewall does."""

    async def step(exchange: Exchange) -> None:
        exchange.end()
        sock = cast("socket.socket", exchange.writer.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        exchange.writer.transport.abort()

    return step


class ScriptedUpstream(UpstreamThread[tuple[Step, ...], ReceivedRequest]):
    """The upstream; also the origin that must never be contacted, by its `connections`."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        super().__init__(tls=tls, port=port)
        self.connections = 0
        self.requests: list[ReceivedRequest] = []
        self._otherwise: tuple[Step, ...] = (answer_like_openai,)
        self._open: dict[asyncio.BaseTransport, Departure] = {}

    def plays(self, *script: Step, times: int = 1) -> None:
        """Queue a script for the next request, or the next few."""
        self._scripts.extend([script] * times)

    def otherwise_plays(self, *script: Step) -> None:
        """Play this whenever nothing is queued."""
        self._otherwise = script

    def next_request(self, timeout_seconds: float = PATIENCE_SECONDS) -> ReceivedRequest:
        """The next request whose head arrives, or already has."""
        return self._next_arrival(timeout_seconds)

    def forget(self) -> None:
        super().forget()
        self._otherwise = (answer_like_openai,)
        self.requests.clear()

    def close_connections(self) -> None:
        """End all connections with FIN, as an upstream that tires of idle ones."""
        asyncio.run_coroutine_threadsafe(self._close_connections(), self._loop).result()

    async def _close_connections(self) -> None:
        for transport, departure in list(self._open.items()):
            departure.by_us = True
            transport.close()

    async def _serve(self) -> None:
        server = await self._loop.create_server(
            self._protocol, "127.0.0.1", self.port, ssl=self._tls
        )
        self._listens_on(server.sockets[0].getsockname()[1])
        await self._stopping.wait()
        # A server that closes while it accepts a connection forgets to close that one.
        await asyncio.sleep(0.002)
        server.close()
        await self._abort_conversations()

    async def _abort_conversations(self) -> None:
        for transport in list(self._open):
            cast("asyncio.WriteTransport", transport).abort()
        conversations = asyncio.all_tasks() - {asyncio.current_task()}
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)
        while self._open:  # noqa: ASYNC110 (an aborted transport has no end to wait for)
            await asyncio.sleep(0)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        departure = Departure()

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._converse(reader, writer, departure)

        return _Watched(departure, self._open, converse)

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, departure: Departure
    ) -> None:
        self.connections += 1
        connection = self.connections
        try:
            while await self._exchange(reader, writer, departure, connection):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # The client left, or the test is over.
        except Exception as error:  # noqa: BLE001 (whatever it is, the test is to fail with it)
            self._errors.append(error)
        departure.by_us = True
        writer.close()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        departure: Departure,
        connection: int,
    ) -> bool:
        """Play one exchange; whether the connection may serve another."""
        line, headers = _parse_head(await reader.readuntil(b"\r\n\r\n"))
        request = ReceivedRequest(line, headers, departure, connection)
        self.requests.append(request)
        self._arrivals.put(request)
        if not request.announces_body:
            request.end(complete=True)
        exchange = Exchange(reader, writer, request)
        try:
            for step in self._scripts.popleft() if self._scripts else self._otherwise:
                await step(exchange)
        finally:
            request.end(complete=request.complete)
        return request.complete and not exchange.ended


class _Watched(asyncio.StreamReaderProtocol):
    """A stream protocol that notes the moment at which the client leaves."""

    def __init__(
        self,
        departure: Departure,
        open_connections: dict[asyncio.BaseTransport, Departure],
        converse: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    ) -> None:
        super().__init__(asyncio.StreamReader(limit=_HEAD_LIMIT), converse)
        self._departure = departure
        self._open = open_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection = transport
        self._open[transport] = self._departure
        super().connection_made(transport)

    def eof_received(self) -> bool | None:
        self._departure.note("fin")
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._departure.note("fin" if exc is None else "reset")
        del self._open[self._connection]
        super().connection_lost(exc)


def _parse_head(head: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    line, *fields = head[:-4].split(b"\r\n")
    if not line.endswith(b" HTTP/1.1"):
        raise NotHttp(repr(line))
    pairs = [field.partition(b":") for field in fields]
    return line, [(name, value.strip(b" \t")) for name, _, value in pairs]
