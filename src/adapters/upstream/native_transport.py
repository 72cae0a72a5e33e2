"""An httpx transport of our own: HTTP/1.1 by httptools on asyncio protocols.

It leaves out what httpx's own does per request (models, locks, tasks, timers)
and survives plain task cancellation at any point.
"""

import asyncio
import ssl

import httpx

from ...domain.ports import ChunkTaker
from .answer import Answer
from .connection import Origin, UpstreamConnection
from .connection_pool import ConnectionPool, Timeouts
from .outgoing_request import OutgoingRequest
from .raw_messages import RawFields, RawResponse
from .tls import upstream_ssl_context

DEFAULT_LIMITS = httpx.Limits(keepalive_expiry=30.0)
"""As many connections as there are requests, each kept for half a minute."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


class NativeTransport(httpx.AsyncBaseTransport):
    """One pool of connections to any origin, for the life of an event loop.

    It honours the request extensions `target` and `timeout`, and sends header
    fields as they are given; only Host and the framing are added where missing.
    The stream of its responses is a PushingBody, too.

    A request is written at most once. Two things may be repeated, once each: a
    failed attempt to connect, and an idempotent request without a body whose
    kept connection ended before any of the answer came.
    """

    def __init__(
        self, ssl_context: ssl.SSLContext | None = None, limits: httpx.Limits = DEFAULT_LIMITS
    ) -> None:
        self._pool = ConnectionPool(ssl_context or upstream_ssl_context(), limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return as soon as the head of the answer is there."""
        origin = _origin(request.url)
        outgoing = OutgoingRequest(request)
        if not outgoing.is_whole:
            await outgoing.gather()
        timeouts: Timeouts = request.extensions.get("timeout", {})
        connection = await self._pool.acquire(origin, timeouts)
        stream = _AnswerStream(self._pool, connection, outgoing, timeouts)
        try:
            return await stream.response()
        except (httpx.ReadError, httpx.RemoteProtocolError):
            if not (stream.was_stale and outgoing.is_repeatable):
                raise
        connection = await self._pool.acquire(origin, timeouts, fresh=True)
        return await _AnswerStream(self._pool, connection, outgoing, timeouts).response()

    async def aclose(self) -> None:
        """Close all idle connections."""
        self._pool.close()
        await asyncio.sleep(0)  # in which the event loop closes the sockets


class _AnswerStream(httpx.AsyncByteStream):
    """One request on its connection, and the body of the answer to it."""

    def __init__(
        self,
        pool: ConnectionPool,
        connection: UpstreamConnection,
        outgoing: OutgoingRequest,
        timeouts: Timeouts,
    ) -> None:
        self._pool = pool
        self._connection = connection
        self._answer = connection.begin(outgoing.method)
        self._outgoing = outgoing
        self._read_timeout = timeouts.get("read")
        self._write_timeout = timeouts.get("write")
        self._upload: asyncio.Task[None] | None = None
        self._is_closed = False

    async def response(self) -> httpx.Response:
        """Send the request and wait for the head of the answer."""
        try:
            self._send()
            while not self._answer.has_head:
                await self._connection.arrival(self._read_timeout)
        except BaseException:
            await self.aclose()
            raise
        return _response(self._answer, self)

    @property
    def was_stale(self) -> bool:
        """Whether the connection was a kept one, and nothing came back on it."""
        return self._connection.is_reused and not self._answer.has_begun

    def __aiter__(self) -> "_AnswerStream":
        return self

    async def __anext__(self) -> bytes:
        """The next piece of the answer's body."""
        while not self._is_closed:
            if self._answer.pieces:
                piece = self._answer.take()
                self._connection.resume_reading()
                return piece
            if self._answer.is_complete:
                break
            await self._connection.arrival(self._read_timeout)
        raise StopAsyncIteration

    async def push(self, taker: ChunkTaker) -> None:
        """Hand all of the answer's body to `taker`, each piece as it arrives."""
        while not self._is_closed:
            if self._answer.pieces:
                piece = self._answer.take()
                self._connection.resume_reading()
                held_back = taker(piece)
            elif self._answer.is_complete:
                break
            else:
                held_back = await self._connection.arrival(self._read_timeout, taker)
            if held_back is not None:
                await held_back

    async def aclose(self) -> None:
        """End the exchange; unless it was complete, that closes the connection at once."""
        if self._is_closed:
            return
        self._is_closed = True
        self._pool.release(self._connection)
        if self._upload is not None and not self._upload.done():
            # After this, nobody iterates the request's body any more.
            self._upload.cancel()
            await asyncio.wait((self._upload,))

    def _send(self) -> None:
        connection, outgoing = self._connection, self._outgoing
        connection.write(outgoing.head, outgoing.start)
        if outgoing.is_whole and not connection.is_writing_paused:
            return
        # The answer may come before the request's end.
        connection.is_sending = True
        self._upload = asyncio.create_task(outgoing.send_rest(connection, self._write_timeout))
        self._upload.add_done_callback(self._on_upload_done)

    def _on_upload_done(self, upload: asyncio.Task[None]) -> None:
        if upload.cancelled():
            self._connection.fail(httpx.WriteError("the request was broken off"))
        elif error := upload.exception():
            self._connection.fail(error)


def _response(answer: Answer, body: httpx.AsyncByteStream) -> httpx.Response:
    extensions = {
        "http_version": b"HTTP/" + answer.http_version.encode(),
        "reason_phrase": answer.reason,
    }
    return RawResponse(answer.status, RawFields(answer.fields), body, extensions)


def _origin(url: httpx.URL) -> Origin:
    if url.scheme not in _DEFAULT_PORTS:
        raise httpx.UnsupportedProtocol("only http and https are spoken here")
    return Origin(url.scheme, url.raw_host.decode("ascii"), url.port or _DEFAULT_PORTS[url.scheme])
