"""One connection to an upstream, which carries one exchange after another."""

import asyncio
import math
import select
from collections.abc import Awaitable
from typing import Any, NamedTuple, cast

import httpx

from ...domain.ports import ChunkTaker
from .answer import Answer
from .tls import ended_in_order

HIGH_WATER = 64 * 1024
"""Unread bytes of an answer beyond which no more are read, unless somebody waits for them."""


class Origin(NamedTuple):
    """Whom a connection leads to; RFC 9110 section 4.3.1."""

    scheme: str
    host: str
    port: int


class UpstreamConnection(asyncio.BufferedProtocol):
    """One connection and the exchange that is on it, if any.

    Whoever holds the exchange begins it, writes, and reads head and body; the
    event loop calls the rest. Everything that ends an exchange early goes
    through `fail`, and nothing here outlives the socket. What arrives is read
    into `arrivals`, which all connections of an event loop may share: it is
    parsed within the call that says so.
    """

    _transport: asyncio.Transport

    def __init__(self, origin: Origin, arrivals: memoryview) -> None:
        self.origin = origin
        self._arrivals = arrivals
        self.is_closed = True
        """Whether either side closed it, or it was never open."""
        self.is_reused = False
        self.is_sending = False
        """Whether the request is still on its way; until its end no answer is late."""
        self._loop = asyncio.get_running_loop()
        self._answer = Answer.to_nothing()
        self._failure: BaseException | None = None
        self._reader: asyncio.Future[Awaitable[None] | None] | None = None
        self._taker: ChunkTaker | None = None
        self._writer: asyncio.Future[None] | None = None
        self._is_reading_paused = False
        self.is_writing_paused = False
        self._read_timeout: float | None = None
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = math.inf

    # The exchange.

    def begin(self, method: str) -> Answer:
        """Expect the answer to a request of this method."""
        self._answer = Answer(method)
        return self._answer

    def arrival(
        self, read_timeout: float | None, taker: ChunkTaker | None = None
    ) -> asyncio.Future[Awaitable[None] | None]:
        """What is done once more of the answer is there, or its failure.

        With a `taker` it is done once the answer's end is there, or the taker
        has to be waited for: the result is what to wait for.
        """
        if self._failure is not None:
            raise self._failure
        self._reader = self._loop.create_future()
        self._taker = taker
        self._read_timeout = read_timeout
        self._set_deadline()
        return self._reader

    def resume_reading(self) -> None:
        """Let more of the answer come, once all that came was taken."""
        if self._is_reading_paused and self._answer.buffered_bytes == 0:
            self._is_reading_paused = False
            self._transport.resume_reading()

    def write(self, *parts: bytes) -> None:
        """Send `parts` as soon as the socket takes them."""
        self._transport.writelines(parts)

    async def drain(self, write_timeout: float | None) -> None:
        """Wait until there is room to write, or no use in it any more."""
        if not self.is_writing_paused or self.is_closed:
            return
        self._writer = self._loop.create_future()
        try:
            async with asyncio.timeout(write_timeout):
                await self._writer
        except TimeoutError:
            raise httpx.WriteTimeout("the request was not taken in time") from None
        finally:
            self._writer = None

    def sent(self) -> None:
        """Take note that the request has left; from now on the answer may be late."""
        self.is_sending = False
        if self._is_awaited:
            self._set_deadline()

    def fail(self, error: BaseException) -> None:
        """Break off: whoever reads the answer gets `error`, after what had arrived."""
        if self._failure is None:
            self._failure = error
        self.abort()
        _wake(self._reader)
        _wake(self._writer)

    def abort(self) -> None:
        """Close at once, whatever is on its way."""
        if not self.is_closed:
            self.is_closed = True
            self._transport.abort()

    def end(self) -> bool:
        """End the exchange; tells whether the connection is fit for another."""
        self._taker = None
        answer = self._answer
        answer.close()
        is_fit = (
            answer.is_taken
            and answer.keeps_alive
            and not answer.has_surplus
            and not self.is_sending
            and not self.is_closed
            and self._transport.get_write_buffer_size() == 0
        )
        if not is_fit:
            self.abort()
        return is_fit

    @property
    def has_ended(self) -> bool:
        """Whether it is closed, or about to be: its end or unasked-for bytes are there to read."""
        return self.is_closed or is_readable(self._transport.get_extra_info("socket").fileno())

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.is_closed = False

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (asyncio's)
        return self._arrivals

    def buffer_updated(self, nbytes: int) -> None:
        answer = self._answer
        try:
            answer.feed(self._arrivals[:nbytes])
        except httpx.RemoteProtocolError as error:
            self.fail(error)
            return
        reader = self._reader
        if answer.has_surplus:
            self.abort()
            _wake(reader)
        elif reader is None or reader.done():
            if answer.buffered_bytes > HIGH_WATER:
                self._pause_reading()
        elif self._taker is None or answer.is_complete:
            # The end leaves together with what is before it.
            reader.set_result(None)
        else:
            self._push(self._taker, reader)

    def eof_received(self) -> None:
        if not self._answer.is_complete:
            try:
                self._answer.end(
                    in_order=ended_in_order(self._transport.get_extra_info("ssl_object"))
                )
            except httpx.RemoteProtocolError as error:
                self.fail(error)
                return
        self.abort()
        _wake(self._reader)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        error = httpx.WriteError if self.is_sending else httpx.ReadError
        self.fail(error(str(exc or "the connection was lost")))

    def pause_writing(self) -> None:
        self.is_writing_paused = True

    def resume_writing(self) -> None:
        self.is_writing_paused = False
        _wake(self._writer)

    # Waiting.

    def _push(self, taker: ChunkTaker, reader: asyncio.Future[Awaitable[None] | None]) -> None:
        pieces, take = self._answer.pieces, self._answer.take
        try:
            while pieces:
                held_back = taker(take())
                if held_back is not None:
                    reader.set_result(held_back)
                    return
        except Exception as error:  # noqa: BLE001 (it is raised where the answer is read)
            reader.set_exception(error)
            return
        if self._read_timeout is not None and not self.is_sending:
            self._deadline = self._loop.time() + self._read_timeout

    def _pause_reading(self) -> None:
        if not self._is_reading_paused:
            self._is_reading_paused = True
            self._transport.pause_reading()

    @property
    def _is_awaited(self) -> bool:
        return self._reader is not None and not self._reader.done()

    def _set_deadline(self) -> None:
        """Say when the answer is late; one timer serves all the reads of a connection.

        It is moved only when it rings too early, which spares a timer for each read.
        """
        if self._read_timeout is None or self.is_sending:
            self._deadline = math.inf
            return
        self._deadline = self._loop.time() + self._read_timeout
        if self._timer is None or self._deadline < self._timer_due:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = self._deadline
        self._timer = self._loop.call_at(self._timer_due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if not self._is_awaited or self._deadline == math.inf:
            return
        if self._loop.time() >= self._deadline:
            self.fail(httpx.ReadTimeout("nothing arrived in time"))
        else:
            self._set_timer()


def _wake(waiter: asyncio.Future[Any] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def is_readable(descriptor: int) -> bool:
    """Whether the end of the stream, or bytes that nobody asked for, are there to read."""
    if not hasattr(select, "poll"):  # as on Windows
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
