"""Bodies of any size stream through; what one side cannot take, the other keeps."""

import gzip
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from tests.raw_client import RawClient, connected, request
from tests.running_proxy import RunningProxy
from tests.scripted_upstream import (
    CHUNKED,
    Exchange,
    ScriptedUpstream,
    answer,
    head,
    receive,
    receive_slowly,
    reset,
    until,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

MIB = 1024 * 1024
SIZE = 20 * MIB
GROWTH_CEILING = 16 * MIB
PIECE = bytes(range(256)) * 256
"""64 KiB in which a byte out of place shows."""


@pytest.fixture(autouse=True, scope="module")
def _relayed_before(proxy: RunningProxy) -> None:
    with connected(proxy.address) as client:
        client.ask(b"POST", b"/v1/files", body=PIECE)


@contextmanager
def _little_memory_used(proxy: RunningProxy) -> Generator[None]:
    """Fails unless the proxy's memory stays level all the while."""
    before = highest = proxy.resident_bytes()
    over = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not over.wait(0.01):
            highest = max(highest, proxy.resident_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    assert highest - before <= GROWTH_CEILING


@pytest.mark.parametrize("path", [b"/v1/files", b"/v1/chat/completions"])
def test_an_upload_by_length(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream, path: bytes
) -> None:
    upstream.plays(receive(), answer(200))
    with _little_memory_used(proxy):
        client.send(request(b"POST", path, [(b"Content-Length", b"%d" % SIZE)]))
        for _ in range(SIZE // len(PIECE)):
            client.send(PIECE)
        status = client.receive_answer().status

    received = upstream.requests[-1]
    assert (status, received.complete) == (200, True)
    assert received.body == PIECE * (SIZE // len(PIECE))


def test_an_upload_in_chunks(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(receive(), answer(200))
    with _little_memory_used(proxy):
        client.send(request(b"POST", b"/v1/files", CHUNKED))
        for _ in range(SIZE // len(PIECE)):
            client.send(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
        client.send(b"0\r\n\r\n")
        status = client.receive_answer().status

    received = upstream.requests[-1]
    assert (status, received.complete) == (200, True)
    assert received.body == PIECE * (SIZE // len(PIECE))


async def _send_pieces(exchange: Exchange) -> None:
    for _ in range(SIZE // len(PIECE)):
        await exchange.send(PIECE)


async def _send_chunks(exchange: Exchange) -> None:
    for _ in range(SIZE // len(PIECE)):
        await exchange.send_chunk(PIECE)
    await exchange.send_chunk(b"")


def test_a_download_by_length(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(head(200, [(b"Content-Length", b"%d" % SIZE)]), _send_pieces)
    with _little_memory_used(proxy):
        got = client.ask(b"GET", b"/v1/files/file-1/content")

    assert got.complete
    assert got.body == PIECE * (SIZE // len(PIECE))


def test_a_download_in_chunks(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(head(200, CHUNKED), _send_chunks)
    with _little_memory_used(proxy):
        got = client.ask(b"GET", b"/v1/files/file-1/content")

    assert got.complete
    assert got.body == PIECE * (SIZE // len(PIECE))


def test_a_gzip_bomb_passes_as_it_is(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    bomb = gzip.compress(bytes(128 * MIB), compresslevel=1)
    upstream.plays(answer(200, [(b"Content-Encoding", b"gzip")], bomb))
    with _little_memory_used(proxy):
        got = client.ask(b"GET", b"/v1/files/file-1/content")

    assert (got.complete, got.body) == (True, bomb)


def test_a_slow_upstream_holds_back_the_upload(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(receive_slowly(0.002), answer(200))
    with _little_memory_used(proxy):
        client.send(request(b"POST", b"/v1/files", [(b"Content-Length", b"%d" % SIZE)]))
        for _ in range(SIZE // len(PIECE)):
            client.send(PIECE)
        status = client.receive_answer().status

    assert (status, upstream.requests[-1].received) == (200, SIZE)


def test_an_upstream_that_does_not_read_stops_the_client(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    tried = threading.Event()
    upstream.plays(until(tried), reset())
    client.socket.settimeout(0.5)
    client.send(request(b"POST", b"/v1/files", [(b"Content-Length", b"%d" % (8 * SIZE))]))

    with _little_memory_used(proxy), pytest.raises(TimeoutError):
        client.send(PIECE * (8 * SIZE // len(PIECE)))
    tried.set()


def test_a_client_that_does_not_read_stops_the_upstream(
    proxy: RunningProxy, upstream: ScriptedUpstream
) -> None:
    sent = 0

    async def pour(exchange: Exchange) -> None:
        nonlocal sent
        while True:
            await exchange.send(PIECE)
            sent += len(PIECE)

    upstream.plays(head(200, [(b"Content-Length", b"%d" % (256 * MIB))]), pour)
    with (
        _little_memory_used(proxy),
        connected(proxy.address, receive_buffer=64 * 1024) as client,
    ):
        client.send(request(b"GET", b"/v1/files/file-1/content"))
        client.receive_head()
        time.sleep(0.5)

    assert sent < 32 * MIB
