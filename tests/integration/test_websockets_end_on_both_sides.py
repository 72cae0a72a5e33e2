"""How the end of a WebSocket on one side reaches the other: closes, deaths, and our own stop."""

import asyncio
import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from tests.figures import assert_at_most
from tests.raw_client import RawClient, connected
from tests.running_proxy import RunningProxy, StartProxy, wait_for
from tests.scripted_upstream import ScriptedUpstream, receive, stall
from tests.tcp_connections import has_unsent_bytes, is_held_back
from tests.waiting import wait_until
from tests.websocket_client import BINARY, CLOSE, TEXT, frame, handshake, shake_hands, websocket
from tests.websocket_upstream import (
    Script,
    Session,
    WebSocketUpstream,
    closes,
    dies,
    listen,
    say_nothing,
)
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.typing import Data

CEILING_SECONDS = 1.0
CODES_AND_REASONS = [
    (1000, ""),
    (1001, "bye"),
    (1008, "no more"),
    (1011, ""),
    (3000, ""),
    (4999, "é"),
]

Leave = Callable[[RawClient], None]


def _until_closed(client: ClientConnection) -> Iterator[Data]:
    with suppress(ConnectionClosed):
        while True:
            yield client.recv(timeout=5)


def _ending(client: ClientConnection) -> tuple[int | None, str | None]:
    """What the client is told at the end, messages before it skipped."""
    for _ in _until_closed(client):
        pass
    return client.close_code, client.close_reason


@pytest.mark.parametrize(("code", "reason"), CODES_AND_REASONS)
def test_the_clients_code_and_reason_reach_the_upstream(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream, code: int, reason: str
) -> None:
    with websocket(realtime_proxy) as client:
        client.close(code, reason)

    assert realtime.next_session().wait_until_ended() == (code, reason)


@pytest.mark.parametrize(("code", "reason"), CODES_AND_REASONS)
def test_the_upstreams_code_and_reason_reach_the_client(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream, code: int, reason: str
) -> None:
    realtime.plays(closes(code, reason))

    with websocket(realtime_proxy) as client:
        assert _ending(client) == (code, reason)


def test_a_close_frame_without_a_code_is_an_ordinary_end_to_the_other_side(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    async def close_without_code(session: Session) -> None:
        async with session.connection.send_context():
            session.connection.protocol.send_close()

    realtime.plays(listen)
    with connected(realtime_proxy.address) as client:
        shake_hands(client)
        client.send(frame(CLOSE, b""))
        assert realtime.next_session().wait_until_ended() == (1000, "")

    realtime.plays(close_without_code)
    with websocket(realtime_proxy) as other:
        assert _ending(other) == (1000, "")


def test_what_was_sent_before_a_close_still_arrives(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    async def say_and_close(session: Session) -> None:
        await session.send("x" * 1_000_000)
        await session.send("the last word")
        await session.connection.close(1008, "policy")

    realtime.plays(say_and_close)
    with websocket(realtime_proxy) as client:
        assert len(client.recv()) == 1_000_000
        assert client.recv() == "the last word"
        assert _ending(client) == (1008, "policy")

    realtime.plays(listen)
    realtime.next_session()
    with websocket(realtime_proxy) as client:
        client.send("first")
        client.send(b"last")
    session = realtime.next_session()
    assert session.wait_until_ended() == (1000, "")
    assert session.received == ["first", b"last"]


def test_the_upstreams_last_words_arrive_while_the_client_goes_on_speaking(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    async def complain(session: Session) -> None:
        await session.receive()
        for _ in range(50):
            await session.send("x" * 10_000)
        await session.send("error")
        await session.connection.close(1008)

    realtime.plays(complain)
    with websocket(realtime_proxy) as client:
        speaking = threading.Thread(target=_speak_until_closed, args=(client,))
        speaking.start()
        got = list(_until_closed(client))
        speaking.join()

    assert (len(got), got[-1]) == (51, "error")


def _speak_until_closed(client: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            client.send(b"x" * 1000)


def test_an_upstream_that_dies_is_told_as_a_bad_gateway(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    realtime.plays(dies)

    with websocket(realtime_proxy) as client:
        assert _ending(client) == (1014, "The upstream broke off the connection.")


def test_an_upstream_that_breaks_the_protocol_is_told_as_a_bad_gateway(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    async def send_garbage(session: Session) -> None:
        session.connection.transport.write(b"\xff\xff\xff")
        await session.connection.wait_closed()

    realtime.plays(send_garbage)

    with websocket(realtime_proxy) as client:
        code, _ = _ending(client)
    assert code == 1014


@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset], ids=["with FIN", "with RST"])
@pytest.mark.parametrize("script", [listen, say_nothing], ids=["listening", "not reading"])
def test_a_client_that_dies_drops_the_upstream_at_once(
    realtime_proxy: RunningProxy,
    realtime: WebSocketUpstream,
    leave: Leave,
    script: Script,
) -> None:
    realtime.plays(script)
    with connected(realtime_proxy.address) as client:
        shake_hands(client)
        client.send(frame(TEXT, b"hello"))
        session = realtime.next_session()
        left_at = time.monotonic()
        leave(client)

        assert session.wait_until_ended() == (1006, "")
    assert_at_most(CEILING_SECONDS, session.ended_at - left_at, "s until the upstream's end")


@pytest.mark.skipif(sys.platform != "linux", reason="that it has left shows on Linux only")
@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset], ids=["with FIN", "with RST"])
def test_a_client_that_dies_while_its_messages_are_held_back_drops_the_upstream_at_once(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream, leave: Leave
) -> None:
    left = threading.Event()
    realtime.plays(_reads_nothing_until(left))
    with connected(realtime_proxy.address) as client:
        shake_hands(client)
        while not is_held_back(client.socket):
            client.send(frame(BINARY, bytes(16 * 1024)))

        left_at = time.monotonic()
        leave(client)
        wait_until(lambda: not has_unsent_bytes(realtime.port))
    assert_at_most(CEILING_SECONDS, time.monotonic() - left_at, "s until the upstream's end")
    left.set()


def _reads_nothing_until(signal: threading.Event) -> Script:
    async def script(session: Session) -> None:
        session.connection.transport.pause_reading()
        while not signal.is_set():  # noqa: ASYNC110 (the test sets it from another thread)
            await asyncio.sleep(0.01)
        session.connection.transport.resume_reading()

    return script


def test_an_upstream_that_dies_while_a_client_takes_nothing_is_told_behind_what_it_sent(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    async def pour_and_die(session: Session) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while True:
                    await session.send(bytes(64 * 1024))
        session.connection.transport.abort()

    realtime.plays(pour_and_die)
    with websocket(realtime_proxy) as client:
        realtime.next_session().wait_until_ended()

        assert _ending(client) == (1014, "The upstream broke off the connection.")


def test_a_client_that_dies_in_mid_message_never_completes_it(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    with connected(realtime_proxy.address) as client:
        shake_hands(client)
        client.send(frame(BINARY, bytes(100_000))[:-1])
        session = realtime.next_session()
        client.close()

        assert session.wait_until_ended() == (1006, "")
    assert session.received == []


@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset], ids=["with FIN", "with RST"])
def test_a_client_that_leaves_before_the_upstream_consents_ends_the_handshake(
    proxy: RunningProxy, upstream: ScriptedUpstream, leave: Leave
) -> None:
    upstream.plays(receive(), stall())
    with connected(proxy.address) as client:
        client.send(handshake())
        asked = upstream.next_request()
        left_at = time.monotonic()
        leave(client)

        asked.departure.wait()
    assert_at_most(CEILING_SECONDS, asked.departure.at - left_at, "s until the upstream's end")


def test_an_upstream_that_does_not_answer_a_close_is_not_waited_for_long(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    async def stop_reading(session: Session) -> None:
        session.connection.transport.pause_reading()
        await asyncio.sleep(3)
        session.connection.transport.resume_reading()

    realtime.plays(stop_reading)
    with connected(realtime_proxy.address) as client:
        shake_hands(client, b"/v1/slow-to-close")
        client.send(frame(CLOSE, b"\x03\xe8"))

        entry = wait_for(realtime_proxy.request_log, "/v1/slow-to-close")
    seconds = float(entry.partition("/v1/slow-to-close 101 ")[2].partition("s")[0])
    assert seconds < 3
    assert realtime.next_session().wait_until_ended() == (1000, "")


@pytest.mark.usefixtures("realtime")
def test_random_departures_leave_nothing_behind(realtime_proxy: RunningProxy) -> None:
    before = realtime_proxy.open_descriptors()
    threads = [
        threading.Thread(target=_leave_at_random, args=(realtime_proxy, seed, 50))
        for seed in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    wait_until(lambda: realtime_proxy.open_descriptors() <= before + 4)
    with websocket(realtime_proxy) as client:
        client.send("still there")
        assert client.recv() == "still there"


def _leave_at_random(proxy: RunningProxy, seed: int, times: int) -> None:
    chance = random.Random(seed)
    whole = handshake() + frame(TEXT, bytes(1000)) + frame(CLOSE, b"")
    for _ in range(times):
        with connected(proxy.address) as client:
            client.send(whole[: chance.randrange(1, len(whole))])
            time.sleep(chance.random() * 0.01)
            chance.choice([RawClient.close, RawClient.reset])(client)


def test_a_client_that_breaks_the_protocol_is_told_and_the_upstream_closed(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    with connected(realtime_proxy.address) as client:
        shake_hands(client)
        client.send(b"\xff\xff\xff\xff")
        told = client.socket.recv(100)

        assert realtime.next_session().wait_until_ended()[0] == 1002
    assert told[:4] == b"\x88" + told[1:2] + b"\x03\xea"


def test_text_that_is_not_unicode_goes_nowhere(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    with connected(realtime_proxy.address) as client:
        shake_hands(client)
        client.send(frame(TEXT, b"\xff"))

        session = realtime.next_session()
        assert session.wait_until_ended()[0] == 1007
    assert session.received == []


def test_a_stopping_proxy_is_going_away_to_both_sides(
    start_proxy: StartProxy, realtime: WebSocketUpstream
) -> None:
    proxy = start_proxy(UPSTREAM_BASE_URL=realtime.url)
    realtime.plays(listen)
    with websocket(proxy) as client:
        session = realtime.next_session()
        stopped_at = time.monotonic()
        proxy.process.terminate()

        assert _ending(client) == (1001, "")
        assert session.wait_until_ended() == (1001, "")
    assert proxy.process.wait(5) in (0, 143, -15)
    assert time.monotonic() - stopped_at < 4


def test_a_client_that_ignores_the_stop_does_not_hold_it_up(
    start_proxy: StartProxy, realtime: WebSocketUpstream
) -> None:
    proxy = start_proxy(UPSTREAM_BASE_URL=realtime.url)
    with connected(proxy.address) as client:
        shake_hands(client)
        realtime.next_session()
        stopped_at = time.monotonic()
        proxy.process.terminate()

        assert proxy.process.wait(9) in (0, 143, -15)
    assert time.monotonic() - stopped_at < 6


def test_a_handshake_under_way_when_the_proxy_stops_is_told_to_come_again(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy()
    upstream.plays(receive(), stall())
    with connected(proxy.address) as client:
        client.send(handshake())
        asked = upstream.next_request()
        proxy.process.terminate()
        got = client.receive_answer()

        asked.departure.wait(CEILING_SECONDS)
    assert (got.status, got.values(b"retry-after")) == (503, [b"1"])
    assert json.loads(got.body)["error"]["code"] == "overloaded"
    assert proxy.process.wait(5) in (0, 143, -15)
