"""The way of a WebSocket, from the client's handshake to the end on both sides."""

import asyncio
import logging
import time
from typing import Any

from attrs import mutable

from ...domain.bodies.compressed_body import CompressedBody
from ...domain.bodies.compressed_frames import CompressedFrames
from ...domain.control.policy import CompressionPolicy
from ...domain.control.request_control import controlled_policy
from ...domain.errors import ProxyError
from ...domain.http.access import AccessPolicy
from ...domain.http.headers import accept_headers, handshake_headers, response_headers
from ...domain.http.request_head import RequestHead
from ...domain.http.target import compressible_frames, upstream_target
from ...domain.http.tracing import trace_id
from ...domain.http.websockets import Close
from ...domain.ports import (
    Compressor,
    HandshakeRefused,
    LogSink,
    RelayedRequest,
    UpstreamWebSocket,
    UpstreamWebSockets,
    WebSocketRequest,
)
from .asgi import Receive, Scope, Send, request_head
from .relay import RelaySettings
from .traffic import Traffic
from .websocket_downstream import WebSocketDownstream

_log = logging.getLogger(__name__)


@mutable
class _Session:
    """One WebSocket under way, and what becomes known of it."""

    head: RequestHead
    subprotocols: list[str]
    downstream: WebSocketDownstream
    request_id: str
    started_at: float
    started: float
    policy: CompressionPolicy | None = None
    """What becomes of texts in its frames; None where they hold none to compress."""
    compressed: CompressedFrames | None = None
    ended_in_order: bool = False
    error: str | None = None

    def take_note(self, compressed: CompressedBody) -> None:
        """Add a frame to what was compressed before."""
        frame = CompressedFrames.of(compressed)
        self.compressed = frame if self.compressed is None else self.compressed + frame


class WebSocketRelay:
    """The raw ASGI application that stands for the API's WebSockets, at any path."""

    def __init__(
        self,
        settings: RelaySettings,
        access: AccessPolicy,
        upstream: UpstreamWebSockets,
        compression: Compressor,
        log: LogSink,
        *,
        traffic: Traffic,
    ) -> None:
        self._settings = settings
        self._access = access
        self._upstream = upstream
        self._compression = compression
        self._log = log
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Relay one WebSocket, whatever becomes of it, and take note of it."""
        head = request_head(scope)
        downstream = WebSocketDownstream(receive, send)
        session = _Session(
            head,
            scope["subprotocols"],
            downstream,
            request_id=self._traffic.enter(),
            started_at=time.time(),
            started=time.monotonic(),
        )
        try:
            await self._relay(session)
        except HandshakeRefused as refusal:
            headers = response_headers(refusal.headers, status=refusal.status)
            await downstream.refuse(refusal.status, headers, refusal.body)
        except ProxyError as error:
            session.error = error.code
            await downstream.fail(error)
        except Exception:  # noqa: BLE001 whatever it was, the client is told
            _log.exception("A WebSocket could not be relayed")
            session.error = ProxyError.code
            await downstream.fail(ProxyError("The proxy failed to relay this WebSocket."))
        except asyncio.CancelledError:
            # The watcher cancels when the client leaves; anybody else means it.
            if not downstream.has_left:
                raise
        finally:
            self._traffic.leave()
            downstream.stop_watching()
            self._record(session)

    async def _relay(self, session: _Session) -> None:
        self._traffic.check_room(self._settings.max_concurrency)
        head = session.head
        credentials = self._access.upstream_credentials(head)
        policy = controlled_policy(self._settings.policy, head, self._settings.control)
        if policy.covers(compressible_frames(head.raw_path)):
            session.policy = policy
        request = WebSocketRequest(
            upstream_target(self._settings.base_path, head.raw_path, head.query),
            credentials.apply_to(handshake_headers(head.headers, via=self._settings.via)),
            session.subprotocols,
        )
        async with self._upstream.open(request) as upstream:
            await session.downstream.accept(upstream.subprotocol, accept_headers(upstream.headers))
            await self._converse(session, upstream)

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
            session.ended_in_order = True
        elif not (ending := from_client.result()).is_broken_off:
            await upstream.close(ending.to_pass_on)
            session.ended_in_order = True

    async def _relay_up(self, session: _Session, upstream: UpstreamWebSocket) -> Close:
        """Send on each message before the next is taken; how the client ended."""
        while not isinstance(message := await session.downstream.receive(), Close):
            if session.policy is not None and isinstance(message, str):
                message = await self._compressed(session, session.policy, message)
            await upstream.send(message)
        return message

    async def _compressed(self, session: _Session, policy: CompressionPolicy, text: str) -> str:
        frame = text.encode()
        if len(frame) > self._settings.max_body_bytes:
            compressed = CompressedBody.untouched("body_too_large")
        else:
            compressed = await self._compression.compress_frame(frame, policy)
        if compressed.skipped != "other_event":
            session.take_note(compressed)
            self._log.record_compression(session.request_id, compressed)
        return text if compressed.skipped else compressed.body.decode()

    def _record(self, session: _Session) -> None:
        head, downstream = session.head, session.downstream
        self._log.record_request(
            RelayedRequest(
                request_id=session.request_id,
                started_at=session.started_at,
                duration_seconds=time.monotonic() - session.started,
                method=head.method,
                path=head.raw_path.decode("latin-1"),
                status=downstream.status,
                request_bytes=downstream.bytes_received,
                response_bytes=downstream.bytes_sent,
                complete=session.ended_in_order or downstream.was_refused,
                error=session.error,
                compression=session.compressed,
                trace=trace_id(head.value(b"x-cloud-trace-context"), head.value(b"traceparent")),
            )
        )


async def _relay_down(downstream: WebSocketDownstream, upstream: UpstreamWebSocket) -> Close:
    """As `_relay_up`, the other way."""
    while not isinstance(message := await upstream.receive(), Close):
        await downstream.send(message)
    return message


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
