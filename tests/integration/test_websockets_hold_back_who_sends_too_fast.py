"""Back-pressure on a WebSocket: who sends more than the other side takes has to wait."""

import asyncio
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from tests.raw_client import connected
from tests.running_proxy import RunningProxy
from tests.websocket_client import BINARY, PING, frame, shake_hands, websocket
from tests.websocket_upstream import Script, Session, WebSocketUpstream

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

MIB = 1024 * 1024
GROWTH = 16 * MIB
PLENTY = 128 * MIB
PIECE = bytes(64 * 1024)
SMALL_BUFFER = 64 * 1024


@contextmanager
def _little_memory_used(proxy: RunningProxy) -> Generator[None]:
    with websocket(proxy) as client:
        client.send(PIECE)
        client.recv()
    before = proxy.resident_bytes()
    yield
    assert proxy.resident_bytes() - before <= GROWTH


def _pours(sent: list[bytes], stuck: threading.Event) -> Script:
    """Send a lot, and tell the test when that takes longer than it should."""

    async def script(session: Session) -> None:
        while len(sent) * len(PIECE) < PLENTY:
            try:
                async with asyncio.timeout(0.5):
                    await session.send(PIECE)
            except TimeoutError:
                stuck.set()
                await session.connection.wait_closed()
            sent.append(PIECE)

    return script


def _does_not_read_until(signal: threading.Event) -> Script:
    async def script(session: Session) -> None:
        session.connection.transport.pause_reading()
        while not signal.is_set():  # noqa: ASYNC110 (the test sets it from another thread)
            await asyncio.sleep(0.01)
        session.connection.transport.abort()

    return script


def test_a_client_that_does_not_read_holds_back_the_upstream(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    sent: list[bytes] = []
    stuck = threading.Event()
    with (
        _little_memory_used(realtime_proxy),
        connected(realtime_proxy.address, receive_buffer=SMALL_BUFFER) as client,
    ):
        realtime.plays(_pours(sent, stuck))
        shake_hands(client)

        assert stuck.wait(20)
    assert 0 < len(sent) * len(PIECE) < PLENTY


def test_an_upstream_that_does_not_read_holds_back_the_client(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    tried = threading.Event()
    with (
        _little_memory_used(realtime_proxy),
        connected(realtime_proxy.address, timeout_seconds=0.5) as client,
    ):
        realtime.plays(_does_not_read_until(tried))
        shake_hands(client)

        with pytest.raises(TimeoutError):
            client.send(frame(BINARY, PIECE) * (PLENTY // len(PIECE)))
    tried.set()


@pytest.mark.usefixtures("realtime")
def test_a_client_that_takes_no_pongs_does_not_make_them_pile_up(
    realtime_proxy: RunningProxy,
) -> None:
    with (
        _little_memory_used(realtime_proxy),
        connected(realtime_proxy.address, receive_buffer=SMALL_BUFFER) as client,
    ):
        shake_hands(client)
        client.send(frame(PING, bytes(125)) * (32 * MIB // 131))


def test_messages_of_sixteen_mib_need_no_more_memory_the_more_they_are(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    large = bytes(16 * MIB)
    before = realtime_proxy.resident_bytes()
    with websocket(realtime_proxy) as client:
        for _ in range(10):
            client.send(large)
            assert client.recv() == large
        under_way = realtime_proxy.resident_bytes()

    assert under_way - before <= 8 * len(large) + 64 * MIB
    assert len(realtime.next_session().received) == 10
