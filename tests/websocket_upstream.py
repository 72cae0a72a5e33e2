"""A WebSocket upstream on a real loopback socket that plays what a test scripts for it.

A script is a coroutine function of the connection, which is one of `websockets`:

    with WebSocketUpstream() as upstream:
        upstream.plays(greet)

Each connection takes the next script; without one, the upstream echoes. It
lives in a thread with an event loop of its own, so tests may block.
"""

import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Sequence

from attrs import define, field
from tests.upstream_thread import PATIENCE_SECONDS, UpstreamThread
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Data, Subprotocol

Script = Callable[["Session"], Awaitable[None]]


@define
class Session:
    """One WebSocket as the upstream sees it."""

    connection: ServerConnection
    received: list[Data] = field(factory=list[Data])
    ended_at: float = 0.0
    """When (`time.monotonic`) the connection ended."""
    _ended: threading.Event = field(factory=threading.Event)

    @property
    def target(self) -> str:
        return self._request.path

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The fields of the handshake, as they came."""
        return list(self._request.headers.raw_items())

    def values(self, name: str) -> list[str]:
        return self._request.headers.get_all(name)

    async def receive(self) -> Data:
        message = await self.connection.recv()
        self.received.append(message)
        return message

    async def send(self, message: Data | Sequence[Data]) -> None:
        """Send a message; a sequence goes as the fragments of one."""
        await self.connection.send(message)

    def wait_until_ended(self, timeout_seconds: float = PATIENCE_SECONDS) -> tuple[int, str]:
        """Block until the client's side has ended; its code and reason, 1006 if it gave none."""
        assert self._ended.wait(timeout_seconds), "the client stayed connected"
        code, reason = self.connection.close_code, self.connection.close_reason
        assert code is not None
        return code, reason or ""

    def end(self) -> None:
        self.ended_at = time.monotonic()
        self._ended.set()

    @property
    def _request(self) -> Request:
        assert self.connection.request is not None
        return self.connection.request


async def echo(session: Session) -> None:
    """Send everything back."""
    while True:
        await session.send(await session.receive())


async def listen(session: Session) -> None:
    """Receive and say nothing."""
    while True:
        await session.receive()


async def say_nothing(session: Session) -> None:
    """Not even receive, until the client leaves."""
    await session.connection.wait_closed()


def says(message: Data) -> Script:
    """Send a message unasked."""

    async def script(session: Session) -> None:
        await session.send(message)

    return script


def closes(code: int, reason: str = "") -> Script:
    """Close with this code and reason."""

    async def script(session: Session) -> None:
        await session.connection.close(code, reason)

    return script


async def dies(session: Session) -> None:
    """End the connection without a close frame."""
    session.connection.transport.abort()


class WebSocketUpstream(UpstreamThread[Script, Session]):
    """The upstream, and the sessions that reached it."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.answer_headers: list[tuple[str, str]] = []
        """What its consent to a handshake holds beside what it must."""

    def plays(self, script: Script) -> None:
        """Queue a script for the next connection."""
        self._scripts.append(script)

    def next_session(self, timeout_seconds: float = PATIENCE_SECONDS) -> Session:
        """The next session that opens, or already has."""
        return self._next_arrival(timeout_seconds)

    def forget(self) -> None:
        super().forget()
        self.answer_headers.clear()

    async def _serve(self) -> None:
        async with serve(
            self._converse,
            "127.0.0.1",
            0,
            ssl=self._tls,
            select_subprotocol=_select_subprotocol,
            process_response=self._add_headers,
            ping_interval=None,
            max_size=None,
            server_header=None,
        ) as server:
            self._listens_on(next(iter(server.sockets)).getsockname()[1])
            await self._stopping.wait()

    async def _converse(self, connection: ServerConnection) -> None:
        session = Session(connection)
        script = self._scripts.popleft() if self._scripts else echo
        self._arrivals.put(session)
        try:
            await script(session)
            await connection.wait_closed()
        except ConnectionClosed:
            pass  # The client has left.
        except Exception as error:  # noqa: BLE001 (whatever it is, the test is to fail with it)
            self._errors.append(error)
        session.end()

    def _add_headers(self, _: ServerConnection, __: Request, response: Response) -> None:
        for name, value in self.answer_headers:
            response.headers[name] = value


def _select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((name for name in offered if name == "realtime"), None)
