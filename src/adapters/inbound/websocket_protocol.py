"""What uvicorn's WebSocket protocol lacks: orderly ends, bounded memory, refusals as JSON."""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from ...domain.errors import BadRequest, Overloaded, ProxyError
from ...domain.http.websockets import BROKEN_OFF, CLOSE_SECONDS, GOING_AWAY, MAX_MESSAGE_BYTES
from .asgi import ON_LEAVING
from .downstream import error_headers
from .flow import Lookout

LAST_MESSAGES_SECONDS = 0.03
"""How long what a client sent may still take to go on after it broke off."""

# uvicorn logs the query of every WebSocket at INFO; this logger is kept quiet.
_log = logging.getLogger("websockets.server")


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sans-I/O WebSocket protocol, mended.

    It is the one of uvicorn's three that holds back a client whose messages
    nobody takes, and that reads no deprecated part of `websockets`.
    """

    _unsent_pong = b""
    _client_left: Callable[[], None] | None = None
    _lookout: Lookout

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, object]
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.logger = _log
        # Without extensions: what one hop compresses, the other would have to unpack.
        self.conn = _Handshake(max_size=MAX_MESSAGE_BYTES, logger=_log)
        self.close_timeout = CLOSE_SECONDS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready to see the client leave while nothing of it is read."""
        super().connection_made(transport)
        self._lookout = Lookout(self.transport, self.loop)

    def on_leaving(self, call: Callable[[], None]) -> None:
        """Call back when the client has left without a close frame.

        Whoever waits to send on a message does not come to receive the end behind it.
        """
        self._client_left = call

    def handle_connect(self, event: Request) -> None:
        """Begin, and offer to tell of the client's leaving."""
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            # uvicorn types the keys of the specification alone; its task has not begun yet.
            self.scope[ON_LEAVING] = self.on_leaving  # type: ignore[literal-required]
            if event.path.endswith("?"):
                # ASGI has one spelling for an empty query and none.
                self.scope["raw_path"] += b"?"

    def send_receive_event_to_app(self) -> None:
        """Hand on a message; no more is read until it is taken."""
        super().send_receive_event_to_app()
        if self.read_paused:
            self._lookout.begin(self)

    def data_received(self, data: bytes) -> None:
        """Parse, if there may be anything at all to parse."""
        if self.handshake_initiated and not self.handshake_complete:
            # Nothing may come before the handshake is answered (RFC 6455 section 4.1).
            self.transport.abort()
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            unread = b"".join(self.conn.data_to_send())
            self.transport.write(unread or self.conn.reject(HTTPStatus.BAD_REQUEST, "").serialize())
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell an end without a close frame from one with a frame that holds no code."""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": BROKEN_OFF})
        super().connection_lost(exc)
        if self._client_left is not None and self.conn.close_rcvd is None:
            self.loop.call_later(LAST_MESSAGES_SECONDS, self._client_left)
        self._client_left = None

    def shutdown(self) -> None:
        """Say that the server is going away, rather than that it restarts."""
        if self.transport.is_closing():
            return
        if self.close_sent:
            super().shutdown()
        elif self.handshake_complete:
            self._go_away()
        else:
            self._refuse(Overloaded("The proxy is shutting down; try again."))

    def handle_ping(self) -> None:
        """Answer, but not to a client that takes no answers.

        Of several pings it is enough to answer the last (RFC 6455 section 5.5.3).
        """
        pongs = self.conn.data_to_send()
        if self.writable.is_set():
            self.transport.write(b"".join(pongs))
        else:
            self._unsent_pong = pongs[-1] if pongs else self._unsent_pong

    def resume_writing(self) -> None:
        """Go on, with the pong that was held back first."""
        self.transport.write(self._unsent_pong)
        self._unsent_pong = b""
        super().resume_writing()

    async def send(self, message: Any) -> None:
        """Send, and wait until there is room for the next message."""
        await self.writable.wait()
        if self.close_sent:
            # An OSError, as the ASGI specification has it, also if the end was ours.
            raise ClientDisconnected
        await super().send(message)
        # A handshake that was answered in plain HTTP is over too.
        self.handshake_complete = self.handshake_complete or self.close_sent
        await self.writable.wait()

    def _go_away(self) -> None:
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY})
        self.conn.send_close(GOING_AWAY)
        self.close_sent = True
        self._flush()
        if self.read_paused:
            # The client's own close frame is still to be read.
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)

    def _refuse(self, error: ProxyError) -> None:
        self.conn.send_response(_answer(error))
        self._flush()
        self.transport.close()

    def _flush(self) -> None:
        self.transport.write(b"".join(self.conn.data_to_send()))


class _Handshake(ServerProtocol):
    """A server's side of the protocol that refuses handshakes in OpenAI's shape."""

    def reject(self, status: StatusLike, text: str) -> Response:  # noqa: ARG002 says no more than ours
        error = ProxyError("The proxy failed to open this WebSocket.")
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            error = BadRequest("This is not a WebSocket handshake that can be relayed.")
        error.status = int(status)
        return _answer(error)


def _answer(error: ProxyError) -> Response:
    body = error.as_json()
    fields = [*error_headers(error, body), (b"connection", b"close")]
    headers = Headers((name.decode(), value.decode()) for name, value in fields)
    return Response(error.status, HTTPStatus(error.status).phrase, headers, body)
