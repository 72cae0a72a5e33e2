"""The way of a WebSocket, from the client's handshake to the end on both sides."""

import asyncio
from typing import Any

from attrs import frozen, mutable

from ...domain.bodies.compressed_body import CompressedBody
from ...domain.bodies.compressed_frames import CompressedFrames
from ...domain.control.policy import CompressionPolicy
from ...domain.control.request_control import controlled_policy
from ...domain.http.headers import accept_headers, handshake_headers, response_headers
from ...domain.http.target import compressible_frames, upstream_target
from ...domain.http.websockets import Close
from ...domain.ports import (
    HandshakeRefused,
    UpstreamWebSocket,
    UpstreamWebSockets,
    WebSocketRequest,
)
from .asgi import Receive, Scope, Send, request_head
from .exchange import Exchange, ExchangeRelay
from .websocket_downstream import WebSocketDownstream


@mutable(kw_only=True)
class _Session(Exchange[WebSocketDownstream, CompressedFrames]):
    """One WebSocket under way."""

    subprotocols: list[str]
    policy: CompressionPolicy | None = None
    """What becomes of texts in its frames; None where they hold none to compress."""

    def take_note(self, compressed: CompressedBody) -> None:
        """Add a frame to what was compressed before."""
        frame = CompressedFrames.of(compressed)
        self.compressed = frame if self.compressed is None else self.compressed + frame


@frozen(eq=False, kw_only=True)
class WebSocketRelay(ExchangeRelay[_Session]):
    """The raw ASGI application that stands for the API's WebSockets, at any path."""

    upstream: UpstreamWebSockets

    def _begin(self, scope: Scope, receive: Receive, send: Send) -> _Session:
        return _Session(
            head=request_head(scope),
            downstream=WebSocketDownstream(scope, receive, send),
            request_id=self.traffic.enter(),
            subprotocols=scope["subprotocols"],
        )

    async def _relay(self, session: _Session) -> None:
        self.traffic.check_room(self.settings.max_concurrency)
        head = session.head
        credentials = self.access.upstream_credentials(head)
        policy = controlled_policy(self.settings.policy, head, self.settings.control)
        if policy.covers(compressible_frames(head.raw_path)):
            session.policy = policy
        request = WebSocketRequest(
            upstream_target(self.settings.base_path, head.raw_path, head.query),
            credentials.apply_to(handshake_headers(head, via=self.settings.via)),
            session.subprotocols,
        )
        try:
            async with self.upstream.open(request) as upstream:
                await session.downstream.accept(
                    upstream.subprotocol, accept_headers(upstream.headers)
                )
                await self._converse(session, upstream)
        except HandshakeRefused as refusal:
            headers = response_headers(refusal.headers, status=refusal.status)
            await session.downstream.refuse(refusal.status, headers, refusal.body)

    async def _converse(self, session: _Session, upstream: UpstreamWebSocket) -> None:
        """Hand messages both ways until one side ends, and tell the other side."""
        from_client = asyncio.create_task(self._relay_up(session, upstream))
        from_upstream = asyncio.create_task(_relay_down(session.downstream, upstream))
        try:
            await asyncio.wait((from_client, from_upstream), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _stop(from_client, from_upstream)
        if from_client.cancelled():
            await session.downstream.close(from_upstream.result().to_pass_on)
            session.downstream.has_ended_in_order = True
        elif not (ending := from_client.result()).is_broken_off:
            await upstream.close(ending.to_pass_on)
            session.downstream.has_ended_in_order = True

    async def _relay_up(self, session: _Session, upstream: UpstreamWebSocket) -> Close:
        """Send on each message before the next is taken; how the client ended."""
        while not isinstance(message := await session.downstream.receive(), Close):
            if session.policy is not None and isinstance(message, str):
                message = await self._compressed(session, session.policy, message)
            await upstream.send(message)
        return message

    async def _compressed(self, session: _Session, policy: CompressionPolicy, text: str) -> str:
        frame = text.encode()
        if len(frame) > self.settings.max_body_bytes:
            compressed = CompressedBody.untouched("body_too_large")
        else:
            compressed = await self.compression.compress_frame(frame, policy)
        if compressed.skipped != "other_event":
            session.take_note(compressed)
            self.log.record_compression(session.request_id, compressed)
        return text if compressed.skipped else compressed.body.decode()


async def _relay_down(downstream: WebSocketDownstream, upstream: UpstreamWebSocket) -> Close:
    """As `_relay_up`, the other way."""
    while not isinstance(message := await upstream.receive(), Close):
        await downstream.send(message)
    return message


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
