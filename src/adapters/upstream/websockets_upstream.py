"""The API that is proxied, where it speaks WebSocket, by the library `websockets`."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from ...domain.errors import UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from ...domain.http.websockets import CLOSE_SECONDS, MAX_MESSAGE_BYTES, PING_SECONDS, Close, Message
from ...domain.ports import HandshakeRefused, RawHeaders, UpstreamWebSocket, WebSocketRequest

_INTERIM = range(100, 200)


class WebsocketsUpstream:
    """An `UpstreamWebSockets` on asyncio.

    Connections are made here rather than by `websockets.connect`, which parses
    the target, follows redirects and looks for a proxy in the environment.
    """

    def __init__(
        self,
        base_url: str,
        ssl_context: ssl.SSLContext,
        *,
        connect_timeout: float,
        read_timeout: float,
    ) -> None:
        origin = httpx.URL(base_url)
        self._is_secure = origin.scheme == "https"
        self._host = origin.raw_host.decode("ascii")
        self._port = origin.port or (443 if self._is_secure else 80)
        self._ssl_context = ssl_context if self._is_secure else None
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout

    @asynccontextmanager
    async def open(self, request: WebSocketRequest) -> AsyncGenerator[UpstreamWebSocket]:
        """Open a WebSocket; see `UpstreamWebSockets.open`."""
        connection = await self._connect(self._protocol(request))
        try:
            await self._shake_hands(connection, request.headers)
            yield _OpenWebSocket(connection, self._read_timeout)
        finally:
            connection.transport.abort()

    def _protocol(self, request: WebSocketRequest) -> ClientProtocol:
        target = request.target.decode("ascii")
        return ClientProtocol(
            # The whole target as the path goes on the request line as it is.
            WebSocketURI(self._is_secure, self._host, self._port, path=target, query=""),
            subprotocols=[Subprotocol(name) for name in request.subprotocols] or None,
            max_size=MAX_MESSAGE_BYTES,
        )

    async def _connect(self, protocol: ClientProtocol) -> "_Connection":
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(protocol),
                    self._host,
                    self._port,
                    ssl=self._ssl_context,
                )
        except TimeoutError as error:
            raise UpstreamTimeout("Connecting to the upstream took too long.") from error
        except OSError as error:
            raise UpstreamUnreachable("The upstream cannot be reached.") from error
        return connection

    async def _shake_hands(self, connection: "_Connection", headers: RawHeaders) -> None:
        fields = [(name.decode("ascii"), value.decode("latin-1")) for name, value in headers]
        try:
            async with asyncio.timeout(self._read_timeout):
                await connection.handshake(fields, user_agent_header=None)
        except TimeoutError as error:
            raise UpstreamTimeout("The upstream did not respond in time.") from error
        except InvalidStatus as refusal:
            raise _refusal(refusal.response) from refusal
        except InvalidHandshake as error:
            raise UpstreamProtocolError("The upstream sent no valid answer.") from error
        except (ConnectionClosed, OSError) as error:
            raise UpstreamUnreachable("The connection to the upstream broke off.") from error
        connection.start_keepalive()


class _Connection(ClientConnection):
    """A connection that reads one message ahead, and ends when the upstream has closed."""

    def __init__(self, protocol: ClientProtocol) -> None:
        super().__init__(
            protocol,
            ping_interval=PING_SECONDS,
            # An answer may be stuck behind messages that nobody takes yet.
            ping_timeout=None,
            close_timeout=CLOSE_SECONDS,
            max_queue=0,
        )

    def process_event(self, event: Frame | Request | Response) -> None:
        """Do not wait for ever for an upstream that closed but stays connected."""
        super().process_event(event)
        if isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
            self.loop.call_later(CLOSE_SECONDS, self.transport.abort)


class _OpenWebSocket:
    """An `UpstreamWebSocket`."""

    def __init__(self, connection: _Connection, write_timeout: float) -> None:
        self._connection = connection
        self._write_timeout = write_timeout

    @property
    def headers(self) -> RawHeaders:
        return [] if self._connection.response is None else _raw(self._connection.response)

    @property
    def subprotocol(self) -> str | None:
        return self._connection.subprotocol

    async def receive(self) -> Message | Close:
        try:
            return await self._connection.recv()
        except ConnectionClosed as closed:
            return _close_frame(closed)

    async def send(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._write_timeout):
                await self._connection.send(message)
        except ConnectionClosed:
            pass
        except TimeoutError as error:
            raise UpstreamTimeout("The upstream takes no more messages.") from error

    async def close(self, close: Close) -> None:
        closing = asyncio.create_task(self._connection.close(close.code, close.reason))
        # The upstream's close frame stands behind the messages still on their way.
        with suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while True:
                    await self._connection.recv()
        closing.cancel()


def _close_frame(closed: ConnectionClosed) -> Close:
    if closed.rcvd is not None:
        return Close(closed.rcvd.code, closed.rcvd.reason)
    if closed.sent is not None:
        raise UpstreamProtocolError("The upstream sent no sound message, or too long a one.")
    raise UpstreamUnreachable("The upstream broke off the connection.")


def _refusal(response: Response) -> HandshakeRefused | UpstreamProtocolError:
    if response.status_code in _INTERIM:
        return UpstreamProtocolError("The upstream sent no valid answer.")
    return HandshakeRefused(response.status_code, _raw(response), bytes(response.body))


def _raw(response: Response) -> RawHeaders:
    return [
        (name.encode("ascii"), value.encode("latin-1"))
        for name, value in response.headers.raw_items()
    ]
