"""Stand-ins for what the domain needs from the world."""

import asyncio
import re
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from attrs import evolve, field, frozen, mutable

from openai_proxy.domain.bodies.body_compression import compress_body, compress_frame
from openai_proxy.domain.bodies.compressed_body import CompressedBody
from openai_proxy.domain.bodies.compression_question import read_question
from openai_proxy.domain.bodies.explanation import explanation
from openai_proxy.domain.compression.strategies import Strategy
from openai_proxy.domain.control.policy import CompressionPolicy
from openai_proxy.domain.http.request_head import RawHeaders
from openai_proxy.domain.http.websockets import Close, Message
from openai_proxy.domain.ports import (
    RelayedRequest,
    UpstreamRequest,
    UpstreamResponse,
    WebSocketRequest,
)


@frozen
class FakeTokenizer:
    """Tokens of up to three bytes, with the habits of the real ones and no vocabulary.

    A space belongs to the word behind it, a token may end inside a character,
    and what was apart becomes one token once nothing stands between.
    """

    name: str = "fake"

    def encode(self, text: str, *, disallowed_special: Collection[str] = ()) -> list[int]:
        del disallowed_special
        return [int.from_bytes(b"\1" + spelling) for spelling in _SPELLINGS.findall(text.encode())]

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        return [token.to_bytes(5).lstrip(b"\0")[1:] for token in tokens]


_SPELLINGS = re.compile(
    rb" ?[a-z]{1,3}| ?[A-Z][a-z]{0,2}|[0-9]{1,2}|[\x80-\xff]{1,2}|\r?\n|[ \t]{1,3}|[^\x80-\xff]"
)


@frozen
class FakeCompressor:
    """Compresses at once, where the real one takes a thread."""

    tokenizer: FakeTokenizer = FakeTokenizer()

    async def compress(
        self, body: bytes, endpoint: str, policy: CompressionPolicy
    ) -> CompressedBody:
        return compress_body(body, endpoint, policy, lambda _: self.tokenizer)

    async def compress_frame(self, frame: bytes, policy: CompressionPolicy) -> CompressedBody:
        return compress_frame(frame, policy, lambda _: self.tokenizer)

    async def explain(
        self, raw: bytes, policy: CompressionPolicy, strategies: Mapping[str, Strategy]
    ) -> dict[str, Any]:
        asked = read_question(raw, policy, strategies)
        return explanation(
            await self.compress(asked.body, asked.endpoint, asked.policy), policy.salt
        )

    def close(self) -> None: ...


@mutable
class FakeLog:
    """Remembers what it was told."""

    requests: list[RelayedRequest] = field(factory=list[RelayedRequest])
    compressions: list[tuple[str, CompressedBody]] = field(factory=list[tuple[str, CompressedBody]])
    times_closed: int = 0

    def record_request(self, request: RelayedRequest) -> None:
        self.requests.append(request)

    def record_compression(self, request_id: str, compressed: CompressedBody) -> None:
        self.compressions.append((request_id, compressed))

    def close(self) -> None:
        self.times_closed += 1


@mutable
class FakeUpstream:
    """Answers every request alike, and remembers each with its whole body."""

    answer: Sequence[bytes | Exception] = (b"{}",)
    """The chunks of the body; an exception is where it breaks off."""
    status: int = 200
    headers: RawHeaders = ()
    refusal: Exception | None = None
    """Raised instead of an answer."""
    falls_silent: bool = False
    """Whether the body never ends."""
    is_silent: asyncio.Event = field(factory=asyncio.Event)
    sent: list[UpstreamRequest] = field(factory=list[UpstreamRequest])
    open_exchanges: int = 0
    times_closed: int = 0

    @asynccontextmanager
    async def send(self, request: UpstreamRequest) -> AsyncGenerator[UpstreamResponse]:
        self.open_exchanges += 1
        try:
            self.sent.append(evolve(request, body=await _whole(request.body)))
            if self.refusal is not None:
                raise self.refusal
            yield UpstreamResponse(self.status, self.headers, self._body())
        finally:
            self.open_exchanges -= 1

    async def aclose(self) -> None:
        self.times_closed += 1

    async def _body(self) -> AsyncGenerator[bytes]:
        for chunk in self.answer:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk
        if self.falls_silent:
            self.is_silent.set()
            await asyncio.Event().wait()


async def _whole(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return b"".join([chunk async for chunk in body])


@mutable
class FakeUpstreamWebSocket:
    """Says its lines, closes, and remembers what it was sent."""

    lines: list[Message | Close | Exception] = field(factory=list[Message | Close | Exception])
    """After the last of them it is silent."""
    headers: RawHeaders = ()
    subprotocol: str | None = None
    sent: list[Message] = field(factory=list[Message])
    closed_with: Close | None = None

    async def receive(self) -> Message | Close:
        if not self.lines:
            await asyncio.Event().wait()
        line = self.lines.pop(0)
        if isinstance(line, Exception):
            raise line
        return line

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def close(self, close: Close) -> None:
        self.closed_with = close


@mutable
class FakeUpstreamWebSockets:
    """Opens the one WebSocket it was given, and remembers each handshake."""

    socket: FakeUpstreamWebSocket = field(factory=FakeUpstreamWebSocket)
    refusal: Exception | None = None
    """Raised instead of opening it."""
    handshakes: list[WebSocketRequest] = field(factory=list[WebSocketRequest])
    open_sessions: int = 0

    @asynccontextmanager
    async def open(self, request: WebSocketRequest) -> AsyncGenerator[FakeUpstreamWebSocket]:
        self.handshakes.append(request)
        if self.refusal is not None:
            raise self.refusal
        # No handshake is over at once.
        await asyncio.sleep(0)
        self.open_sessions += 1
        try:
            yield self.socket
        finally:
            self.open_sessions -= 1
