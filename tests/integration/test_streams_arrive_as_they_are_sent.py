"""Chunks leave as they come: one by one, unchanged, and none too many."""

import asyncio
import math
import statistics
import sys
import threading
import time

import pytest
from attrs import frozen
from tests.figures import assert_at_most
from tests.raw_client import RawClient, request
from tests.resident_memory import MIB, growth_of_at_most
from tests.running_proxy import RunningProxy
from tests.scripted_upstream import (
    EVENT_STREAM,
    Exchange,
    ScriptedUpstream,
    chunk,
    end_of_chunks,
    event,
    head,
    receive,
    until,
)

ASK = request(b"POST", b"/v1/responses", [(b"Content-Type", b"application/json")], b"{}")


def test_an_event_arrives_before_the_next_one_is_sent(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    seen = [threading.Event() for _ in range(5)]
    waiting = [step for n, mark in enumerate(seen) for step in (event(b"%d" % n), until(mark))]
    upstream.plays(receive(), head(200, EVENT_STREAM), *waiting, end_of_chunks())

    client.send(ASK)
    _, headers = client.receive_head()
    arrived: list[bytes] = []
    for piece in client.pieces(headers):
        arrived.append(piece)
        seen[len(arrived) - 1].set()

    assert arrived == [b"data: %d\n\n" % n for n in range(5)]


def test_the_head_of_an_answer_arrives_before_its_body_is_sent(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    seen = threading.Event()
    upstream.plays(receive(), head(200, EVENT_STREAM), until(seen), event(b"x"), end_of_chunks())

    client.send(ASK)
    status, headers = client.receive_head()
    seen.set()

    assert (status, b"".join(client.pieces(headers))) == (200, b"data: x\n\n")


def test_a_chunk_of_an_upload_arrives_before_the_next_one_is_sent(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    client.send(request(b"POST", b"/v1/files", [(b"Transfer-Encoding", b"chunked")]))
    for n in range(5):
        client.send(b"1\r\n%d\r\n" % n)
        received = upstream.next_request() if n == 0 else upstream.requests[0]
        _wait_for_bytes(received.body, n + 1)
    client.send(b"0\r\n\r\n")

    assert client.receive_answer().status == 200
    assert upstream.requests[0].body == b"01234"


def _wait_for_bytes(body: bytearray, count: int) -> None:
    deadline = time.monotonic() + 5
    while len(body) < count:
        assert time.monotonic() < deadline, "the chunk was held back"
        time.sleep(0.001)


def test_ten_thousand_events_arrive_as_they_were_sent(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    events = [b'data: {"n": %d}\n\n' % n for n in range(10_000)]
    upstream.plays(receive(), head(200, EVENT_STREAM), *map(chunk, events), end_of_chunks())

    client.send(ASK)
    answer = client.receive_answer()

    assert answer.complete
    assert answer.body == b"".join(events)


ODD_EVENTS = (
    b": a comment\r\n\r\n"
    b"event: delta\ndata: one\n\n"
    b"data: two\rdata: lines\r\r"
    b"id: 7\r\nretry: 10\r\ndata:no space\r\n\r\n"
    b"data\n\n"
    b"\xef\xbb\xbfdata: \xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80\n\n"
    b"data: never ended"
)


@pytest.mark.parametrize("size", [1, 2, 7, len(ODD_EVENTS)])
def test_comments_and_line_ends_stay_however_the_bytes_are_cut(
    client: RawClient, upstream: ScriptedUpstream, size: int
) -> None:
    cuts = [ODD_EVENTS[at : at + size] for at in range(0, len(ODD_EVENTS), size)]
    upstream.plays(receive(), head(200, EVENT_STREAM), *map(chunk, cuts), end_of_chunks())

    client.send(ASK)
    answer = client.receive_answer()

    assert (answer.complete, answer.body) == (True, ODD_EVENTS)


@frozen
class Load:
    """Streams side by side, their pace, and how late their events may be (p99)."""

    streams: int
    events: int
    interval_seconds: float
    ceiling_seconds: float


ROUNDS = 3
GROWTH_CEILING = 128 * MIB


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("load", [Load(50, 100, 0.02, 0.05), Load(300, 50, 0.1, 0.15)])
def test_many_streams_at_once_do_not_hold_one_another_up(
    proxy: RunningProxy, upstream: ScriptedUpstream, load: Load
) -> None:

    async def tick(exchange: Exchange) -> None:
        await exchange.receive_body()
        await exchange.send_head(200, EVENT_STREAM)
        for _ in range(load.events):
            await exchange.send_chunk(b"data: %.6f\n\n" % time.monotonic())
            await asyncio.sleep(load.interval_seconds)
        await exchange.send_chunk(b"")

    upstream.otherwise_plays(tick)
    p99s: list[float] = []
    # Whatever else the machine does comes late as well, but hardly each time.
    while len(p99s) < ROUNDS and min(p99s, default=math.inf) >= load.ceiling_seconds:
        with growth_of_at_most(GROWTH_CEILING, proxy):
            delays = asyncio.run(_delays_of(load.streams, proxy.port))
        assert len(delays) == load.streams * load.events
        p99s.append(statistics.quantiles(delays, n=100)[98])

    assert_at_most(load.ceiling_seconds, min(p99s), f"s late at p99 of {load.streams} streams")


async def _delays_of(streams: int, port: int) -> list[float]:
    by_stream = await asyncio.gather(*[_delays(port) for _ in range(streams)])
    return [delay for delays in by_stream for delay in delays]


async def _delays(port: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ASK)
    delays: list[float] = []
    while (line := await reader.readline()) != b"0\r\n":
        assert line, "the stream was cut"
        if line.startswith(b"data: "):
            delays.append(time.monotonic() - float(line.removeprefix(b"data: ")))
    writer.close()
    await writer.wait_closed()
    return delays
