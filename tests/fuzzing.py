"""Means of fuzzing: mutated bytes, bounded time, and h11 as the second opinion on what they say."""

import faulthandler
import os
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import h11
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("FUZZ_SECONDS", "12"))
"""How long each test goes on."""

FRAGMENTS = [
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"\r\n\r\n", b"\x7f", b"\xff", b",", b";"),
    *(b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length:5,6\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:\tchunked\r\n", b"identity"),
    *(b"Connection: close\r\n", b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"Upgrade: websocket"),
    *(b"Expect: 100-continue\r\n", b"Host: a\r\n", b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"HEAD "),
    *(b"0\r\n\r\n", b"5\r\nhello\r\n", b"5;x=y\r\nhello\r\n", b"ffffffffffffffff\r\n", b"-1\r\n"),
]

# RFC 9112 section 2.2 lets them stand before a message; h11 does not.
_EMPTY_LINES = b"\r\n"

short = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def for_a_while(check: Callable[[], None]) -> None:
    """Check again and again until the time is over."""
    # Longer than a test that hangs may take.
    faulthandler.cancel_dump_traceback_later()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        check()


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of `seeds`, changed in up to four places."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 20)))
        data[start:end] = draw(
            st.sampled_from(FRAGMENTS) | st.binary(max_size=3) | st.just(bytes(data[start:end] * 2))
        )
    return bytes(data)


def whole_requests(data: bytes) -> int:
    """How many requests h11 finds in `data`, one after another, each to its end."""
    count = 0
    while (rest := _after_request(data)) is not None:
        count += 1
        data = rest
    return count


def _after_request(data: bytes) -> bytes | None:
    """What follows the first request; None if there is none, or not all of it."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    server.receive_data(data.lstrip(_EMPTY_LINES))
    try:
        for event in iter(server.next_event, h11.NEED_DATA):
            if isinstance(event, h11.EndOfMessage):
                return server.trailing_data[0]
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return None
    except h11.ProtocolError:
        return None
    return None


def whole_body(answer: bytes) -> bytes | None:
    """The body that h11 finds in an answer to GET, to its end; None if it finds no end."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "localhost")]))
    client.send(h11.EndOfMessage())
    client.receive_data(answer.lstrip(_EMPTY_LINES))
    client.receive_data(b"")
    body = b""
    try:
        for event in iter(client.next_event, h11.NEED_DATA):
            if isinstance(event, h11.InformationalResponse):
                return whole_body(client.trailing_data[0])
            if isinstance(event, h11.Data):
                body += bytes(event.data)
            if isinstance(event, h11.EndOfMessage):
                return body
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return None
    except h11.ProtocolError:
        return None
    return None


def cut(data: bytes, places: Sequence[int]) -> Iterator[bytes]:
    """`data` in pieces, cut at these places."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    for start, end in pairwise(edges):
        yield data[start:end]
