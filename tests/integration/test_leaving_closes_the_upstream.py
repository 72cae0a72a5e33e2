"""A client that goes away ends its upstream request at once, whatever was going on."""

import random
import sys
import threading
import time
from collections.abc import Callable

import pytest
from tests.figures import assert_at_most
from tests.raw_client import RawClient, connected, request
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import (
    CHUNKED,
    EVENT_STREAM,
    Exchange,
    ScriptedUpstream,
    event,
    head,
    receive,
    stall,
    until,
)
from tests.tcp_connections import has_unsent_bytes, is_held_back
from tests.waiting import wait_until

CEILING_SECONDS = 1.0
UNTIL_CLOSED = "s until the upstream's connection closed"
LARGE = 64 * 1024 * 1024

Leave = Callable[[RawClient], None]
leaving_either_way = pytest.mark.parametrize(
    "leave", [RawClient.close, RawClient.reset], ids=["with FIN", "with RST"]
)


def _assert_closed_in_time(client: RawClient, leave: Leave, upstream: ScriptedUpstream) -> None:
    departure = upstream.requests[-1].departure
    left_at = time.monotonic()
    leave(client)
    departure.wait()
    assert_at_most(CEILING_SECONDS, departure.at - left_at, UNTIL_CLOSED)


@leaving_either_way
def test_before_the_answer_begins(
    client: RawClient, upstream: ScriptedUpstream, leave: Leave
) -> None:
    upstream.plays(receive(), stall())
    client.send(request(b"GET", b"/v1/models"))
    upstream.next_request()

    _assert_closed_in_time(client, leave, upstream)


@leaving_either_way
def test_with_another_request_sent_ahead(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream, leave: Leave
) -> None:
    upstream.plays(receive(), stall())
    client.send(request(b"GET", b"/v1/models") * 2)
    upstream.next_request()

    _assert_closed_in_time(client, leave, upstream)
    with connected(proxy.address) as other:
        other.ask(b"GET", b"/health")
    assert "ASGI callable returned" not in proxy.stderr


@leaving_either_way
def test_while_a_posted_request_is_being_answered(
    client: RawClient, upstream: ScriptedUpstream, leave: Leave
) -> None:
    upstream.plays(receive(), stall())
    client.send(request(b"POST", b"/v1/chat/completions", body=b'{"messages": []}'))
    upstream.next_request().wait_until_read()

    _assert_closed_in_time(client, leave, upstream)


@leaving_either_way
def test_in_mid_stream(client: RawClient, upstream: ScriptedUpstream, leave: Leave) -> None:
    upstream.plays(receive(), head(200, EVENT_STREAM), event(b"first"), stall())
    client.send(request(b"POST", b"/v1/responses", body=b"{}"))
    _, headers = client.receive_head()
    assert next(client.pieces(headers)) == b"data: first\n\n"

    _assert_closed_in_time(client, leave, upstream)


async def _pour(exchange: Exchange) -> None:
    while True:
        await exchange.send(bytes(64 * 1024))


@leaving_either_way
def test_in_mid_download(client: RawClient, upstream: ScriptedUpstream, leave: Leave) -> None:
    upstream.plays(receive(), head(200, [(b"Content-Length", b"%d" % LARGE)]), _pour)
    client.send(request(b"GET", b"/v1/files/file-1/content"))
    _, headers = client.receive_head()
    next(client.pieces(headers))

    _assert_closed_in_time(client, leave, upstream)


LENGTH = [(b"Content-Length", b"%d" % LARGE)]
LENGTH_OF_CHAT = [(b"Content-Length", b"1000")]
UNFINISHED_UPLOADS = {
    "by length": request(b"POST", b"/v1/files", LENGTH) + b"part",
    "between chunks": request(b"POST", b"/v1/files", CHUNKED) + b"4\r\npart\r\n",
    "within a large chunk": request(b"POST", b"/v1/files", CHUNKED) + b"%x\r\npart" % LARGE,
    "within a chunk": request(b"POST", b"/v1/files", CHUNKED) + b"ff\r\npart",
    "before the last chunk's end": request(b"POST", b"/v1/files", CHUNKED) + b"4\r\npart\r\n0\r\n",
}


@leaving_either_way
@pytest.mark.parametrize("sent", UNFINISHED_UPLOADS.values(), ids=UNFINISHED_UPLOADS)
def test_in_mid_upload_the_request_is_never_completed(
    client: RawClient, upstream: ScriptedUpstream, leave: Leave, sent: bytes
) -> None:
    client.send(sent)
    received = upstream.next_request()

    _assert_closed_in_time(client, leave, upstream)
    received.wait_until_read()
    assert not received.complete


@pytest.mark.skipif(sys.platform != "linux", reason="what was held back is told by /proc")
@leaving_either_way
@pytest.mark.parametrize("framing", ["by length", "within a large chunk"])
def test_in_mid_upload_to_an_upstream_that_reads_nothing(
    client: RawClient, upstream: ScriptedUpstream, leave: Leave, framing: str
) -> None:
    left = threading.Event()
    upstream.plays(until(left), receive(keep=False))
    client.send(UNFINISHED_UPLOADS[framing])
    received = upstream.next_request()
    while not is_held_back(client.socket):
        client.send(bytes(16 * 1024))

    left_at = time.monotonic()
    leave(client)
    wait_until(lambda: not has_unsent_bytes(upstream.port))
    assert_at_most(CEILING_SECONDS, time.monotonic() - left_at, UNTIL_CLOSED)
    left.set()

    received.wait_until_read()
    assert not received.complete


def test_a_bad_chunk_in_an_upload_never_completes_the_request(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    client.send(request(b"POST", b"/v1/files", CHUNKED) + b"4\r\npart\r\n")
    received = upstream.next_request()
    client.send(b"not a size\r\n")

    received.departure.wait(CEILING_SECONDS)
    received.wait_until_read()
    assert not received.complete


CUT_CHAT = request(b"POST", b"/v1/chat/completions", LENGTH_OF_CHAT) + b'{"messages": ['


@leaving_either_way
def test_in_mid_upload_of_a_body_to_be_compressed_nothing_is_sent(
    start_proxy: StartProxy, upstream: ScriptedUpstream, leave: Leave
) -> None:
    compressing = start_proxy(COMPRESSION_RATIO="2")
    with connected(compressing.address) as client:
        client.send(CUT_CHAT)
        time.sleep(0.1)
        leave(client)

    with connected(compressing.address) as other:
        assert other.ask(b"GET", b"/v1/models").status == 200
    assert [received.method for received in upstream.requests] == [b"GET"]


def test_2400_random_departures_leave_nothing_behind(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy()
    upstream.otherwise_plays(_answer_get_and_stall_post)
    _ask_models(proxy, 8)
    before = proxy.open_descriptors()
    cuts = random.Random(7)

    threads = [
        threading.Thread(target=_leave_at_random, args=(proxy, cuts.randrange(1 << 30), 300))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    _ask_models(proxy, 50)
    # A busy machine may still be closing what was left last.
    wait_until(lambda: proxy.open_descriptors() <= before + 40)
    assert_at_most(40, proxy.open_descriptors() - before, "descriptors more than at the start")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_client_that_resets_after_its_answer_is_forgotten_at_once(proxy: RunningProxy) -> None:
    _reset_after_answers(proxy, 300)
    before = proxy.resident_bytes()

    _reset_after_answers(proxy, 3000)

    assert proxy.resident_bytes() - before < 5 * 1024 * 1024


def _reset_after_answers(proxy: RunningProxy, times: int) -> None:
    for _ in range(times):
        with connected(proxy.address) as client:
            client.ask(b"GET", b"/v1/models")
            client.reset()


def _leave_at_random(proxy: RunningProxy, seed: int, times: int) -> None:
    chance = random.Random(seed)
    whole = request(b"POST", b"/v1/responses", body=bytes(1000))
    for _ in range(times):
        with connected(proxy.address) as client:
            client.send(whole[: chance.randrange(1, 2 * len(whole))])
            time.sleep(chance.random() * 0.01)
            chance.choice([RawClient.close, RawClient.reset])(client)


async def _answer_get_and_stall_post(exchange: Exchange) -> None:
    await exchange.receive_body()
    if exchange.request.method == b"GET":
        await exchange.answer(204)
    else:
        await exchange.send_head(200, EVENT_STREAM)
        await exchange.send_chunk(b"data: x\n\n")
        await exchange.request.departure.noticed()


def _ask_models(proxy: RunningProxy, times: int) -> None:
    for _ in range(times):
        with connected(proxy.address) as client:
            assert client.ask(b"GET", b"/v1/models").status == 204
