"""Bodies of any size stream through; what one side cannot take, the other keeps."""

import gzip
import sys
import threading
import time
import zlib
from contextlib import AbstractContextManager

import pytest
from tests.raw_client import RawClient, connected, request
from tests.resident_memory import MIB, growth_of_at_most
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import (
    CHUNKED,
    Exchange,
    ScriptedUpstream,
    Step,
    answer,
    head,
    receive_slowly,
    reset,
    until,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

UPLOAD = 200 * MIB
DOWNLOAD = 512 * MIB
HELD_BACK = 256 * MIB
GROWTH_CEILING = 16 * MIB
PIECE = bytes(range(256)) * 256
"""64 KiB in which a byte out of place shows."""


@pytest.fixture(autouse=True, scope="module")
def _relayed_before(proxy: RunningProxy) -> None:
    with connected(proxy.address) as client:
        client.ask(b"POST", b"/v1/files", body=PIECE)


def _little_memory_used(proxy: RunningProxy) -> AbstractContextManager[None]:
    return growth_of_at_most(GROWTH_CEILING, proxy)


class Checksum:
    """The checksum of a large body, taken as it arrives."""

    def __init__(self) -> None:
        self.size = 0
        self._crc = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self._crc = zlib.crc32(piece, self._crc)

    def is_of_pieces(self, size: int) -> bool:
        """Whether it is that of `size` bytes, PIECE after PIECE."""
        expected = Checksum()
        for _ in range(size // len(PIECE)):
            expected.add(PIECE)
        return (self.size, self._crc) == (expected.size, expected._crc)


def _receive_into(checksum: Checksum) -> Step:
    async def step(exchange: Exchange) -> None:
        async for piece in exchange.pieces_of_body():
            checksum.add(piece)
        exchange.request.end(complete=True)

    return step


@pytest.mark.parametrize("path", [b"/v1/files", b"/v1/chat/completions"])
def test_an_upload_by_length(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream, path: bytes
) -> None:
    received = Checksum()
    upstream.plays(_receive_into(received), answer(200))
    with _little_memory_used(proxy):
        client.send(request(b"POST", path, [(b"Content-Length", b"%d" % UPLOAD)]))
        for _ in range(UPLOAD // len(PIECE)):
            client.send(PIECE)
        status = client.receive_answer().status

    assert (status, upstream.requests[-1].complete) == (200, True)
    assert received.is_of_pieces(UPLOAD)


def test_a_chat_too_long_to_be_compressed_streams_through_unread(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy(COMPRESSION_RATIO="2")
    received = Checksum()
    upstream.plays(_receive_into(received), answer(200))
    with connected(proxy.address) as client:
        wait_until(lambda: client.ask(b"GET", b"/_proxy/ready").status == 200)
        with _little_memory_used(proxy):
            client.send(
                request(b"POST", b"/v1/chat/completions", [(b"Content-Length", b"%d" % UPLOAD)])
            )
            for _ in range(UPLOAD // len(PIECE)):
                client.send(PIECE)
            got = client.receive_answer()

    assert received.is_of_pieces(UPLOAD)
    assert got.values(b"x-compression-reason") == [b"body_too_large"]


def test_an_upload_in_chunks(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    received = Checksum()
    upstream.plays(_receive_into(received), answer(200))
    with _little_memory_used(proxy):
        client.send(request(b"POST", b"/v1/files", CHUNKED))
        for _ in range(UPLOAD // len(PIECE)):
            client.send(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
        client.send(b"0\r\n\r\n")
        status = client.receive_answer().status

    assert (status, upstream.requests[-1].complete) == (200, True)
    assert received.is_of_pieces(UPLOAD)


async def _send_pieces(exchange: Exchange) -> None:
    for _ in range(DOWNLOAD // len(PIECE)):
        await exchange.send(PIECE)


async def _send_chunks(exchange: Exchange) -> None:
    for _ in range(DOWNLOAD // len(PIECE)):
        await exchange.send_chunk(PIECE)
    await exchange.send_chunk(b"")


def _download(client: RawClient) -> Checksum:
    got = Checksum()
    client.send(request(b"GET", b"/v1/files/file-1/content"))
    _, headers = client.receive_head()
    for piece in client.pieces(headers):
        got.add(piece)
    return got


def test_a_download_by_length(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(head(200, [(b"Content-Length", b"%d" % DOWNLOAD)]), _send_pieces)
    with _little_memory_used(proxy):
        got = _download(client)

    assert got.is_of_pieces(DOWNLOAD)


def test_a_download_in_chunks(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(head(200, CHUNKED), _send_chunks)
    with _little_memory_used(proxy):
        got = _download(client)

    assert got.is_of_pieces(DOWNLOAD)


def test_a_gzip_bomb_of_one_gib_passes_as_the_mib_it_is(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    # Members of a gzip file may follow one another (RFC 1952 section 2.2).
    bomb = gzip.compress(bytes(16 * MIB)) * 64
    upstream.plays(answer(200, [(b"Content-Encoding", b"gzip")], bomb))
    with _little_memory_used(proxy):
        got = client.ask(b"GET", b"/v1/files/file-1/content")

    assert (got.complete, got.body) == (True, bomb)


def test_a_slow_upstream_holds_back_the_upload(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(receive_slowly(0.0002), answer(200))
    with _little_memory_used(proxy):
        client.send(request(b"POST", b"/v1/files", [(b"Content-Length", b"%d" % HELD_BACK)]))
        for _ in range(HELD_BACK // len(PIECE)):
            client.send(PIECE)
        status = client.receive_answer().status

    assert (status, upstream.requests[-1].received) == (200, HELD_BACK)


def test_an_upstream_that_does_not_read_stops_the_client(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    tried = threading.Event()
    upstream.plays(until(tried), reset())
    client.socket.settimeout(0.5)
    client.send(request(b"POST", b"/v1/files", [(b"Content-Length", b"%d" % HELD_BACK)]))

    with _little_memory_used(proxy), pytest.raises(TimeoutError):
        client.send(PIECE * (HELD_BACK // len(PIECE)))
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

    upstream.plays(head(200, [(b"Content-Length", b"%d" % HELD_BACK)]), pour)
    with (
        _little_memory_used(proxy),
        connected(proxy.address, receive_buffer=64 * 1024) as client,
    ):
        client.send(request(b"GET", b"/v1/files/file-1/content"))
        client.receive_head()
        time.sleep(0.5)

    assert sent < 32 * MIB
