"""What goes over httpcore's connections, seen on the way by the parser of the native transport.

So both transports hold the same bytes for an answer, and neither uses a
connection again on which there were more.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Self, cast

import httpcore
import httpx

from .answer import Answer
from .connection import is_readable
from .tls import ended_in_order

_UNWATCHED_SECONDS = 0.01
"""By when most requests have been sent, and need nobody who reads meanwhile."""

_PIECE_BYTES = 64 * 1024
_MAX_PIECES_AHEAD = 16
_CLIENT_ERROR = 400

_Arrival = asyncio.Task[bytes | Exception]


class Watch:
    """What is seen of one exchange over HTTP/1.1."""

    def __init__(self, method: str) -> None:
        self.answer = Answer(method)
        self.connection: _WatchedStream | None = None
        self._on_outcome: Callable[[], None] | None = None
        self._lookout: asyncio.TimerHandle | None = None

    @classmethod
    def begin(cls, method: str) -> Self:
        """Watch the connection to which the current task writes next."""
        watch = cls(method)
        _current.set(watch)
        return watch

    def look_out(self, on_outcome: Callable[[], None]) -> None:
        """Read on before anybody asks for it, until the rest of the request cannot matter."""
        self._on_outcome = on_outcome
        loop = asyncio.get_running_loop()
        self._lookout = loop.call_later(_UNWATCHED_SECONDS, self._read_ahead)

    def stop_looking_out(self) -> None:
        self._on_outcome = None
        if self._lookout is not None:
            self._lookout.cancel()

    def check_end(self) -> None:
        """Raise httpcore.RemoteProtocolError unless the answer has come to its end here too."""
        if not self.answer.is_complete:
            raise httpcore.RemoteProtocolError("the answer did not end as its framing says")

    def _read_ahead(self) -> None:
        if self.connection is not None:
            self.connection.read_ahead(self._on_arrival)

    def _on_arrival(self, arrival: _Arrival) -> None:
        if self._on_outcome is None or arrival.cancelled():
            return
        if self._has_outcome() or _is_the_last(arrival.result()):
            self._on_outcome()
        else:
            self._read_ahead()

    def _has_outcome(self) -> bool:
        # RFC 9112 section 9.5: who sees an error response stops sending.
        return self.answer.is_complete or self.answer.status >= _CLIENT_ERROR


_current: ContextVar[Watch | None] = ContextVar("watch", default=None)


class WatchedNetwork(httpcore.AsyncNetworkBackend):
    """httpcore's network for asyncio, whose connections are watched."""

    def __init__(self) -> None:
        self._network = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        return _WatchedStream(await self._network.connect_tcp(*args, **kwargs))


class _WatchedStream(httpcore.AsyncNetworkStream):
    """One connection; what is not HTTP/1.1 passes unseen."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")
        self._answer: Answer | None = None
        self._ahead: deque[_Arrival] = deque()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 (httpcore's)
        watch = _current.get()
        if watch is not None and watch.connection is None:
            watch.connection = self
            self._answer = watch.answer
        await self._stream.write(buffer, timeout)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 (httpcore's)
        if not self._ahead:
            return await self._read(max_bytes, timeout)
        done, _ = await asyncio.wait((self._ahead[0],), timeout=timeout)
        if not done:
            raise httpcore.ReadTimeout
        arrived = self._ahead.popleft().result()
        if isinstance(arrived, Exception):
            raise arrived
        return arrived

    def read_ahead(self, on_arrival: Callable[[_Arrival], None]) -> None:
        """Read what a later `read` will return."""
        if len(self._ahead) < _MAX_PIECES_AHEAD:
            arrival = asyncio.create_task(self._read_or_fail())
            arrival.add_done_callback(on_arrival)
            self._ahead.append(arrival)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        return _WatchedStream(await self._stream.start_tls(*args, **kwargs))

    def get_extra_info(self, info: str) -> Any:
        # httpcore closes an idle connection on which there is something to read.
        if info == "is_readable":
            return self._holds_more_than_the_answer() or self._has_more_to_come()
        return self._stream.get_extra_info(info)

    def _holds_more_than_the_answer(self) -> bool:
        if self._ahead:
            return True
        answer = self._answer
        return answer is not None and (answer.has_surplus or not answer.is_complete)

    def _has_more_to_come(self) -> bool:
        descriptor = self._socket.fileno()
        return descriptor < 0 or is_readable(descriptor)

    async def _read_or_fail(self) -> bytes | Exception:
        try:
            return await self._read(_PIECE_BYTES)
        except Exception as error:  # noqa: BLE001 (it is raised where the piece is asked for)
            return error

    async def _read(self, max_bytes: int, read_timeout: float | None = None) -> bytes:
        data = await self._stream.read(max_bytes, read_timeout)
        if self._answer is not None:
            self._show(self._answer, data)
        return data

    def _show(self, answer: Answer, data: bytes) -> None:
        try:
            if data:
                answer.feed(data)
            elif not answer.is_complete:
                answer.end(in_order=ended_in_order(self._stream.get_extra_info("ssl_object")))
        except httpx.RemoteProtocolError as error:
            # Once there is a head, what came before the fault is still the client's;
            # that the answer never becomes complete tells of the rest.
            if not answer.has_head:
                raise httpcore.RemoteProtocolError(str(error)) from error
        while answer.pieces:
            answer.take()  # httpcore makes the pieces of the body itself.


def _is_the_last(arrived: bytes | Exception) -> bool:
    return isinstance(arrived, Exception) or not arrived
