"""The client's side of one exchange: its body coming in, its answer going out, its leaving."""

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
)
from typing import Any

from attrs import frozen

from ...domain.errors import ProxyError, RequestTooLarge
from ...domain.ports import pushing
from .asgi import ON_LEAVING, SEND_NOW, OnLeaving, Receive, Scope, Send, SendNow
from .keep_alive import is_event_stream, with_keep_alive


class ClientLeft(Exception):
    """The client went away; there is nobody left to answer."""


class Downstream:
    """One request of a client, and the answer to it.

    The server says when the client leaves, and the task that this was made in is
    cancelled. Where it cannot say so, the reader of the body meets the leaving,
    and after the body a watcher does.
    """

    __slots__ = (
        "_answer_ended",
        "_max_body_bytes",
        "_on_leaving",
        "_on_sent",
        "_receive",
        "_send",
        "_send_now",
        "_task",
        "_watcher",
        "began_at",
        "bytes_received",
        "bytes_sent",
        "has_left",
        "own_fields",
        "status",
    )

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, *, max_body_bytes: int | None = None
    ) -> None:
        self._receive = receive
        self._send = send
        self._max_body_bytes = max_body_bytes
        self._on_leaving: OnLeaving | None = scope.get(ON_LEAVING)
        self._send_now: SendNow | None = scope.get(SEND_NOW)
        self._task = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self._answer_ended = False
        self._on_sent: Callable[[bytes], None] | None = None
        self.status: int | None = None
        self.began_at: float | None = None
        """When the answer began, by the monotonic clock."""
        self.bytes_received = 0
        self.bytes_sent = 0
        self.has_left = False
        self.own_fields: list[tuple[bytes, bytes]] = []
        """What the proxy itself says in the head of the answer, whoever gives it."""

    @property
    def is_answered(self) -> bool:
        """Whether the whole answer was handed to the client."""
        return self._answer_ended and not self.has_left

    async def read_body(self, hold_at_most: int) -> bytes | AsyncIterator[bytes]:
        """The whole body if it has at most `hold_at_most` bytes, otherwise the same as a stream.

        Raises ClientLeft, or RequestTooLarge beyond the operator's limit; so
        does iterating the stream.
        """
        chunks = self._chunks()
        held = bytearray()
        async for chunk in chunks:
            held += chunk
            if len(held) > hold_at_most:
                return _resume(bytes(held), chunks)
        return bytes(held)

    def stream_body(self) -> AsyncIterator[bytes]:
        """The body as it comes in. Iterating raises as `read_body` does."""
        return self._chunks()

    async def begin_body(self) -> bytes | AsyncIterator[bytes]:
        """The whole body if it came at once, as most do, otherwise as it comes in."""
        first, more = await self._receive_chunk()
        if more:
            return _resume(first, self._chunks())
        self.expect_no_body()
        return first

    def expect_no_body(self) -> None:
        """There is no body, or no more of it: watch for the client's leaving from now on."""
        if self._on_leaving is None:
            self._watcher = asyncio.create_task(self._watch())
        else:
            self._on_leaving(self._leave)

    async def relay(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        body: AsyncIterable[bytes],
        *,
        keep_alive_seconds: float = 0,
        on_sent: Callable[[bytes], None] | None = None,
    ) -> None:
        """Hand on an answer, each chunk as it arrives; `on_sent` gets to see it as well.

        Above 0, an event stream that is silent for `keep_alive_seconds` gets a comment.
        """
        await self._start(status, headers)
        self._on_sent = on_sent
        if keep_alive_seconds and is_event_stream(headers):
            body = with_keep_alive(body, keep_alive_seconds)
        if (pushing_body := pushing(body)) is not None:
            await pushing_body.push(self._take)
        else:
            async for chunk in body:
                held_back = self._take(chunk)
                if held_back is not None:
                    await held_back
        await self._end()

    async def fail(self, error: ProxyError) -> None:
        """Answer with an error of the proxy's own, unless an answer has begun already.

        An answer that has begun is left without its end, so that the server
        cuts the connection and the client sees that something is missing.
        """
        if self.status is not None or self.has_left:
            return
        body = error.as_json()
        await self._start(error.status, error_headers(error, body))
        self.bytes_sent += len(body)
        await self._end(body)

    def stop_watching(self) -> None:
        """End the watch for the client's leaving."""
        if self._watcher is not None:
            self._watcher.cancel()
        # Both refer back to this; letting go spares the garbage collector.
        self._watcher = self._task = None

    async def _chunks(self) -> AsyncGenerator[bytes]:
        if self._on_leaving is not None:
            # Whoever reads this may be held back, and not come to ask for the next chunk.
            self._on_leaving(self._leave)
        more = True
        while more:
            chunk, more = await self._receive_chunk()
            if chunk:
                yield chunk
        self.expect_no_body()

    async def _receive_chunk(self) -> tuple[bytes, bool]:
        """The next chunk, perhaps an empty one, and whether there will be more."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.has_left = True
            raise ClientLeft
        chunk: bytes = message.get("body", b"")
        self.bytes_received += len(chunk)
        if self._max_body_bytes is not None and self.bytes_received > self._max_body_bytes:
            raise RequestTooLarge(f"The body is longer than {self._max_body_bytes} bytes.")
        return chunk, message.get("more_body", False)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        # Servers report a disconnect after a complete answer too.
        if not self._answer_ended and self._task is not None:
            self.has_left = True
            self._task.cancel()

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.began_at = time.monotonic()
        if self.own_fields:
            headers = _replaced(headers, self.own_fields)
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def _take(self, chunk: bytes) -> Awaitable[None] | None:
        self.bytes_sent += len(chunk)
        if self._on_sent is not None:
            self._on_sent(chunk)
        if self._send_now is not None and self._send_now(chunk):
            return None
        return _Sending(self._send, chunk)

    async def _end(self, body: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": False})
        self._answer_ended = True


@frozen(eq=False)
class _Sending:
    """The sending of a chunk, which begins when it is waited for, if that comes about."""

    send: Send
    chunk: bytes

    def __await__(self) -> Generator[Any, None, None]:
        message = {"type": "http.response.body", "body": self.chunk, "more_body": True}
        return self.send(message).__await__()


def _replaced(
    headers: list[tuple[bytes, bytes]], own: list[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """`headers` with `own` fields in place of those that another proxy behind this one set."""
    names = {name for name, _ in own}
    return [field for field in headers if field[0] not in names] + own


async def _resume(held: bytes, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    if held:
        yield held
    async for chunk in chunks:
        yield chunk


def error_headers(error: ProxyError, body: bytes) -> list[tuple[bytes, bytes]]:
    """The header fields that go with an error of the proxy's own."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    if error.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after_seconds))
    return headers
