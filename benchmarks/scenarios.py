"""What is measured: loads of one kind each, and what came of them."""

import asyncio
import itertools
import math
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from attrs import Factory, define, field, frozen

from . import requests
from .client import Answer, Connection
from .scripted_upstream import DOWNLOAD_BYTES

MIB = 1024 * 1024

_SENT_AT = re.compile(rb'"content":\s*" (\d+)"')
_CHATTERS = 32
_LATE_SECONDS = 1.0
"""What has not arrived so long after the last event was due counts as lost."""


@define
class Outcome:
    """What a load of some seconds has shown."""

    cpu_seconds: Callable[[], float]
    """Processor time that the contender has used so far."""
    units: float = 0
    """Requests, chunks or mebibytes that came through."""
    offered: float = 0
    """As many as could have; 0 where the load waits for each answer."""
    failures: int = 0
    seconds: float = 0
    latencies: list[float] = Factory(list[float])
    """Seconds from a request to the end of its answer."""
    first_bytes: list[float] = Factory(list[float])
    """Seconds from a request to the beginning of its answer."""
    delays: list[float] = Factory(list[float])
    """Seconds from an event's leaving the upstream to its arrival."""
    _start: tuple[float, float] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Reckon costs and delays from now on: what had to be opened first is open."""
        self.delays.clear()
        self._start = (self.cpu_seconds(), self.units)

    @property
    def cpu_seconds_a_unit(self) -> float:
        """What a unit has cost since the start."""
        used, units = self._start
        return (self.cpu_seconds() - used) / (self.units - units or math.nan)

    def add(self, answer: Answer, sent_at: float) -> None:
        """Take note of an answer."""
        self.failures += answer.status != 200
        self.latencies.append(answer.ended_at - sent_at)
        self.first_bytes.append(answer.began_at - sent_at)


Load = Callable[[int, float, Outcome], Awaitable[None]]


@frozen
class Scenario:
    """One kind of load."""

    name: str
    title: str
    unit: str
    run: Load
    """Puts the load on a port for about so many seconds."""
    seconds: float
    quick_seconds: float
    shows: Sequence[str]
    """The figures that this load is there for."""
    compressing: bool = False
    """Whether it asks for contenders that compress, and for no others."""


async def chats(port: int, seconds: float, outcome: Outcome) -> None:
    """Ask on some connections, on each as soon as the answer is there."""
    head, body = requests.chat()
    began = time.monotonic()

    async def chatter() -> None:
        async with _connected(port) as connection:
            while (sent_at := time.monotonic()) < began + seconds:
                outcome.add(await connection.exchange(head, body), sent_at)
                outcome.units += 1

    await _all(outcome, [chatter() for _ in range(_CHATTERS)])


def event_streams(count: int, milliseconds: int) -> Load:
    """So many streams at once, each of an event every so many milliseconds.

    They are opened one after the other within such a time, as clients do that
    know nothing of each other: otherwise all events would be due at once, and
    their delay would tell how long such a burst is.
    """

    async def run(port: int, seconds: float, outcome: Outcome) -> None:
        events = int(seconds * 1000 / milliseconds)
        # The end marker is a chunk as well.
        outcome.offered = count * (events + 1)
        closed = set(range(count))

        def opened(number: int) -> None:
            closed.discard(number)
            if not closed:
                outcome.start()

        async def stream(number: int) -> None:
            await asyncio.sleep(number / count * milliseconds / 1000)
            await _stream(port, events, milliseconds, outcome, partial(opened, number))

        await _all(outcome, [*map(stream, range(count))])

    return run


async def uploads(port: int, seconds: float, outcome: Outcome) -> None:
    """One large file after another to the upstream."""
    body = bytes(DOWNLOAD_BYTES)
    await _transfers(port, seconds, outcome, requests.post_head(b"/v1/files", len(body)), body)


async def downloads(port: int, seconds: float, outcome: Outcome) -> None:
    """One large file after another from the upstream."""
    await _transfers(port, seconds, outcome, requests.get(b"/v1/files/file-1/content"))


async def few_requests(port: int, seconds: float, outcome: Outcome) -> None:
    """Twenty chats a second, whatever becomes of them."""
    await _all(outcome, [_at_a_rate(20, port, seconds, requests.chat(), outcome)])
    outcome.units = len(outcome.latencies)


async def beside_compression(port: int, seconds: float, outcome: Outcome) -> None:
    """A hundred small requests a second, while two connections send long chats all the time."""
    long_chats = itertools.cycle([requests.chat(text_bytes=400_000, seed=n) for n in range(8)])
    ends_at = time.monotonic() + seconds

    async def writer() -> None:
        async with _connected(port) as connection:
            while time.monotonic() < ends_at:
                answer = await connection.exchange(*next(long_chats))
                outcome.failures += answer.status != 200
                outcome.units += 1

    small = _at_a_rate(100, port, seconds, (requests.get(b"/v1/models"), b""), outcome)
    await _all(outcome, [writer(), writer(), small])


SCENARIOS = (
    Scenario(
        "chat",
        f"Chats of 1 KB, {_CHATTERS} at a time",
        "request",
        chats,
        seconds=4,
        quick_seconds=1.5,
        shows=("cpu", "rate", "p50", "p99"),
    ),
    Scenario(
        "sse",
        "50 streams of an event each 20 ms",
        "chunk",
        event_streams(50, 20),
        seconds=5,
        quick_seconds=2,
        shows=("cpu", "first byte p50", "delay p50", "delay p99", "delivered"),
    ),
    Scenario(
        "streams",
        "500 streams of 4 events a second",
        "chunk",
        event_streams(500, 250),
        seconds=8,
        quick_seconds=4,
        shows=("cpu", "delivered", "delay p50", "delay p99", "resident", "growth"),
    ),
    Scenario(
        "upload",
        "Uploads of 64 MiB",
        "MiB",
        uploads,
        seconds=2,
        quick_seconds=0.5,
        shows=("cpu", "rate", "growth"),
    ),
    Scenario(
        "download",
        "Downloads of 64 MiB",
        "MiB",
        downloads,
        seconds=2,
        quick_seconds=0.5,
        shows=("cpu", "rate", "growth"),
    ),
    Scenario(
        "latency",
        "20 chats a second",
        "request",
        few_requests,
        seconds=15,
        quick_seconds=3,
        shows=("p50", "p99", "added p50", "added p99"),
    ),
    Scenario(
        "mixed",
        "100 small requests a second beside two chats of 400 KB being compressed",
        "chat",
        beside_compression,
        seconds=10,
        quick_seconds=4,
        shows=("cpu", "rate", "p50", "p99"),
        compressing=True,
    ),
)


async def _stream(
    port: int, events: int, milliseconds: int, outcome: Outcome, opened: Callable[[], None]
) -> None:
    head, body = requests.stream(events, milliseconds)
    unread = b""
    is_open = False

    def take(piece: bytes) -> None:
        nonlocal unread, is_open
        if not is_open:
            is_open = True
            opened()
        now = time.monotonic_ns()
        complete, separator, unread = (unread + piece).rpartition(b"\n\n")
        if separator:
            outcome.units += complete.count(b"\n\n") + 1
            outcome.delays += [(now - int(at)) / 1e9 for at in _SENT_AT.findall(complete)]

    async with _connected(port) as connection:
        sent_at = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(events * milliseconds / 1000 + _LATE_SECONDS):
                outcome.add(await connection.exchange(head, body, on_chunk=take), sent_at)


async def _transfers(
    port: int, seconds: float, outcome: Outcome, head: bytes, body: bytes = b""
) -> None:

    async def transfer() -> None:
        async with _connected(port) as connection:
            began = sent_at = time.monotonic()
            while sent_at < began + seconds:
                answer = await connection.exchange(head, body)
                outcome.add(answer, sent_at)
                outcome.units += max(len(body), answer.body_bytes) / MIB
                sent_at = time.monotonic()

    await _all(outcome, [transfer()])


async def _at_a_rate(
    rate: float, port: int, seconds: float, request: tuple[bytes, bytes], outcome: Outcome
) -> None:
    """Send so many requests a second, each when it is due."""
    idle: list[Connection] = []
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def one() -> None:
        connection = idle.pop() if idle else await Connection.to(port)
        outcome.add(await connection.exchange(*request), sent_at)
        idle.append(connection)

    async with asyncio.TaskGroup() as under_way:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(began + number / rate - loop.time())
            sent_at = time.monotonic()
            under_way.create_task(one())
    for connection in idle:
        connection.close()


@asynccontextmanager
async def _connected(port: int) -> AsyncGenerator[Connection]:
    connection = await Connection.to(port)
    try:
        yield connection
    finally:
        connection.close()


async def _all(outcome: Outcome, loads: Sequence[Awaitable[None]]) -> None:
    """Wait for all loads; one that breaks off counts as a failure."""
    began = time.monotonic()
    ends = await asyncio.gather(*loads, return_exceptions=True)
    outcome.seconds = time.monotonic() - began
    outcome.failures += sum(isinstance(end, Exception) for end in ends)
