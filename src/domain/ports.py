"""What the domain needs from the world, and the values it exchanges with it.

Adapters fit these protocols by shape; nothing inherits from them.
"""

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, cast

from attrs import frozen

from .bodies.compressed_body import CompressedBody
from .bodies.compressed_frames import CompressedFrames
from .bodies.usage import Usage
from .compression.strategies import Strategy
from .compression.tokenizer import Tokenizer
from .control.policy import CompressionPolicy
from .http.request_head import RawHeaders
from .http.websockets import Close, Message

__all__ = [
    "ChunkTaker",
    "Compressor",
    "HandshakeRefused",
    "LogSink",
    "PushingBody",
    "RawHeaders",
    "RelayedRequest",
    "Tokenizer",
    "UpstreamClient",
    "UpstreamRequest",
    "UpstreamResponse",
    "UpstreamWebSocket",
    "UpstreamWebSockets",
    "WebSocketRequest",
    "pushing",
]


@frozen
class UpstreamRequest:
    """A request as it is to leave for the upstream.

    `target` is the whole request target in origin form (RFC 9112 section
    3.2.1) with the upstream's base path, sent byte for byte. `headers` hold
    no Host and no framing: both are the adapter's to write. A `body` of bytes
    is framed by its length; an iterable by `content_length` if that is known,
    otherwise chunked; None means no body at all.
    """

    method: str
    target: bytes
    headers: RawHeaders
    body: bytes | AsyncIterable[bytes] | None = None
    content_length: int | None = None


ChunkTaker = Callable[[bytes], Awaitable[None] | None]
"""Takes a chunk, and returns what to wait for before the next one, if anything."""


class PushingBody(Protocol):
    """A body that hands over its chunks by itself, which spares waking a task for each."""

    async def push(self, taker: ChunkTaker) -> None:
        """Give `taker` each chunk as it arrives; it is called by the event loop, outside of tasks.

        It ends, or raises, as iterating the body does.
        """
        ...


def pushing(body: AsyncIterable[bytes]) -> PushingBody | None:
    """The same body, if it is one that pushes."""
    return cast("PushingBody", body) if hasattr(body, "push") else None


@frozen
class UpstreamResponse:
    """The final answer of the upstream, as it came: nothing decoded, nothing added.

    `headers` are all of its fields, framing and hop-by-hop ones included.
    Iterating `body` yields each chunk as it arrives. If the upstream breaks off
    before the end, iterating ends with an exception, which leaves the block of
    the exchange as an UpstreamError. A body may be a PushingBody as well.
    """

    status: int
    headers: RawHeaders
    body: AsyncIterable[bytes]


class UpstreamClient(Protocol):
    """The API that is proxied."""

    def send(self, request: UpstreamRequest) -> AbstractAsyncContextManager[UpstreamResponse]:
        """Open an exchange; leaving the block ends it, read to the end or not.

        Raises an UpstreamError, or Overloaded if no connection is free. What
        iterating the request's body raises passes through unchanged.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


@frozen
class WebSocketRequest:
    """A WebSocket's handshake as it is to leave for the upstream.

    `target` is as that of an UpstreamRequest. `headers` hold neither Host nor
    any field of the handshake itself, which are the adapter's to write.
    """

    target: bytes
    headers: RawHeaders
    subprotocols: Sequence[str] = ()
    """Those the client offers, in its order; one may hold a key."""


@frozen
class HandshakeRefused(Exception):
    """The upstream answered the handshake as plain HTTP: its answer, whole."""

    status: int
    headers: RawHeaders
    body: bytes


class UpstreamWebSocket(Protocol):
    """An open WebSocket to the upstream."""

    @property
    def headers(self) -> RawHeaders:
        """All fields of the answer to the handshake."""
        ...

    @property
    def subprotocol(self) -> str | None:
        """The one of the offered subprotocols that the upstream chose."""
        ...

    async def receive(self) -> Message | Close:
        """The next message, or how the upstream closed. Little more is read ahead of it.

        Raises an UpstreamError if the upstream breaks off without a close frame.
        """
        ...

    async def send(self, message: Message) -> None:
        """Send a message, and wait until there is room for the next.

        Sending to an upstream that has ended does nothing: `receive` tells.
        Raises UpstreamTimeout if it does not take what was sent.
        """
        ...

    async def close(self, close: Close) -> None:
        """Close it, and wait a little for the upstream's own close frame."""
        ...


class UpstreamWebSockets(Protocol):
    """The API that is proxied, where it speaks WebSocket."""

    def open(self, request: WebSocketRequest) -> AbstractAsyncContextManager[UpstreamWebSocket]:
        """Open a WebSocket; leaving the block drops what was not closed before.

        Raises HandshakeRefused, or an UpstreamError.
        """
        ...


class Compressor(Protocol):
    """What thins the texts of requests while the event loop goes on."""

    async def compress(
        self, body: bytes, endpoint: str, policy: CompressionPolicy
    ) -> CompressedBody:
        """As `compress_body`; work that nobody waits for any more stops."""
        ...

    async def compress_frame(self, frame: bytes, policy: CompressionPolicy) -> CompressedBody:
        """The same for a text frame to the Responses API over a WebSocket."""
        ...

    async def explain(
        self, raw: bytes, policy: CompressionPolicy, strategies: Mapping[str, Strategy]
    ) -> dict[str, Any]:
        """What would become of the text or the request that `raw` asks about.

        Raises BadRequest, as `read_question` does.
        """
        ...

    def close(self) -> None:
        """Let the running compressions end and take no more."""
        ...


@frozen
class RelayedRequest:
    """One relayed request, as the request log tells it.

    `path` is without the query. `status` is None where the client left before
    an answer began; `error` is the code of the proxy's own error, if there was one.
    """

    request_id: str
    started_at: float
    """Seconds since the epoch."""
    duration_seconds: float
    method: str
    path: str
    status: int | None
    request_bytes: int
    response_bytes: int
    complete: bool
    """Whether the whole answer was handed to the client."""
    error: str | None = None
    compression: CompressedBody | CompressedFrames | None = None
    """What was done to the body, or to a WebSocket's frames; None where it was not asked for."""
    trace: str | None = None
    """The trace id that the caller sent, if it is well formed."""
    first_byte_seconds: float | None = None
    """How long the client waited for the answer to begin."""
    compression_seconds: float | None = None
    """How much of that went by while the body was compressed."""
    usage: Usage | None = None
    """What the answer says was billed."""


class LogSink(Protocol):
    """Where the product says what it did. Never raises, never blocks."""

    def record_request(self, request: RelayedRequest) -> None:
        """Take note of a request that has ended."""
        ...

    def record_compression(self, request_id: str, compressed: CompressedBody) -> None:
        """Take note of what was removed from a body before it was sent."""
        ...

    def close(self) -> None:
        """Write what is still waiting, for a bounded time."""
        ...
