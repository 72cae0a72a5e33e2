"""Reading no more of a client for a while, without losing sight of its leaving."""

import asyncio
import select
from typing import Protocol

from uvicorn.protocols.http.flow_control import FlowControl

LOOK_SECONDS = 0.03

# Windows has no poll, and the end alone of what a client sends shows on Linux only.
_CAN_LOOK = hasattr(select, "poll")
_END_OF_STREAM: int = getattr(select, "POLLRDHUP", 0)


class Reader(Protocol):
    """Whoever reads from a client, or does not for a while."""

    read_paused: bool


class Lookout:
    """Looks now and then for a client whose bytes are left unread, and drops it once it has left.

    A transport whose reading is paused tells nothing of FIN or RST. What stays
    unseen is a FIN behind bytes that have found no room yet: TCP delivers in order.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._next_look: asyncio.TimerHandle | None = None

    def begin(self, reader: Reader) -> None:
        """Look until `reader` goes on reading."""
        if self._next_look is None and _CAN_LOOK:
            self._next_look = self._loop.call_later(LOOK_SECONDS, self._look, reader)

    def _look(self, reader: Reader) -> None:
        self._next_look = None
        if not reader.read_paused or self._transport.is_closing():
            return
        if _has_left(self._transport.get_extra_info("socket").fileno()):
            self._transport.abort()
        else:
            self.begin(reader)


class WatchfulFlow(FlowControl):
    """uvicorn's flow control, which sees a client leave whose bytes it leaves unread."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(transport)
        self._lookout = Lookout(transport, loop)

    def pause_reading(self) -> None:
        """Read no more until told to."""
        super().pause_reading()
        self._lookout.begin(self)


def _has_left(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, _END_OF_STREAM)  # errors are always told
    return bool(poll.poll(0))
