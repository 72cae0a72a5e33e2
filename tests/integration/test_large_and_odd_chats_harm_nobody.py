"""A chat made to be hard to compress arrives, and everybody else is served meanwhile."""

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable

import pytest
from attrs import frozen
from tests.raw_client import connected
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import ScriptedUpstream, answer, receive
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

CHAT = b"/v1/chat/completions"
MIB = 1024 * 1024
LONG = 1_100_000
PATIENCE_SECONDS = 60
LONGEST_HOLD_SECONDS = 0.1
ROUNDS = 3

RUNS_OF_ONE_CHARACTER = [" ", "\t", "a", "7", "^", "\n", "\u00a0", "中", "😀", "\u0301"]


def _chat(text: str) -> bytes:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
    return json.dumps(body, ensure_ascii=False).encode()


@pytest.fixture(scope="module")
def halving(start_proxy: StartProxy) -> RunningProxy:
    return start_proxy(COMPRESSION_RATIO="2", COMPRESSION_MAX_TEXT_BYTES=str(4 * MIB))


def _ask(proxy: RunningProxy, body: bytes) -> int:
    with connected(proxy.address, PATIENCE_SECONDS) as client:
        return client.ask(b"POST", CHAT, body=body).status


@pytest.mark.parametrize("character", RUNS_OF_ONE_CHARACTER, ids=ascii)
def test_a_long_run_of_one_character_fails_no_request(
    halving: RunningProxy, upstream: ScriptedUpstream, character: str
) -> None:
    text = character * (LONG // len(character.encode()))

    assert _ask(halving, _chat(text)) == 200

    sent = json.loads(bytes(upstream.requests[0].body))["messages"][0]["content"]
    assert 0 < len(sent) <= len(text)
    assert set(sent) == {character}


STRUCTURE_BOMBS = {
    "a million messages": lambda: (
        b'{"messages": [' + b",".join([b'{"role":"user","content":1}'] * 1_000_000) + b"]}"
    ),
    "eight million empty arrays": lambda: (
        b'{"messages": [' + b",".join([b"[]"] * 8_000_000) + b"]}"
    ),
    "a million keys": lambda: (
        b"{" + b",".join(b'"key number %d":%d' % (n, n) for n in range(1_000_000)) + b"}"
    ),
    "one string of 30 MiB": lambda: b'{"messages": [], "user": "' + b"x" * 30 * MIB + b'"}',
    "thirty million brackets": lambda: b"[" * 30_000_000,
}


@pytest.fixture(scope="module")
def with_a_high_limit(start_proxy: StartProxy) -> RunningProxy:
    proxy = start_proxy(COMPRESSION_RATIO="2", COMPRESSION_MAX_BODY_BYTES=str(64 * MIB))
    with connected(proxy.address) as client:
        wait_until(lambda: client.ask(b"GET", b"/_proxy/ready").status == 200)
    return proxy


@pytest.mark.parametrize("make_bomb", STRUCTURE_BOMBS.values(), ids=STRUCTURE_BOMBS)
def test_a_structure_bomb_passes_whole_and_holds_nobody_up(
    with_a_high_limit: RunningProxy, upstream: ScriptedUpstream, make_bomb: Callable[[], bytes]
) -> None:
    bomb = make_bomb()
    upstream.otherwise_plays(receive(), answer(200))

    longest_waits: list[float] = []
    # A busy machine holds others up as well, but hardly each time; the proxy would.
    while len(longest_waits) < ROUNDS and min(longest_waits, default=1) >= LONGEST_HOLD_SECONDS:
        seen = _seen_by_others(with_a_high_limit, lambda: _ask(with_a_high_limit, bomb))
        assert upstream.next_request().body == bomb
        assert seen.growth <= 8 * len(bomb) + 64 * MIB
        longest_waits.append(seen.longest_wait)

    assert min(longest_waits) < LONGEST_HOLD_SECONDS


def test_many_long_texts_at_once_leave_room_for_others(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    words = [f"{n} and so on, and so forth; " * 20_000 for n in range(16)]
    askers = [threading.Thread(target=_ask, args=(halving, _chat(text))) for text in words]

    def ask_all() -> None:
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()

    seen = _seen_by_others(halving, ask_all)

    assert len(upstream.requests) == 16
    assert seen.usual_wait < 0.25
    assert seen.growth <= 256 * MIB


@frozen
class Seen:
    """What others noticed of the proxy while something went on."""

    waits: list[float]
    """How long small requests, one after another, took."""
    growth: int
    """By how many bytes its memory rose at its highest."""

    @property
    def longest_wait(self) -> float:
        """At least as long as the proxy was held up in one piece, but for the pause between two."""
        return max(self.waits)

    @property
    def usual_wait(self) -> float:
        """As long as 99 of 100 of them took at most."""
        return statistics.quantiles(self.waits, n=100, method="inclusive")[98]


def _seen_by_others(proxy: RunningProxy, meanwhile: Callable[[], object]) -> Seen:
    busy = threading.Thread(target=meanwhile)
    waits: list[float] = []
    before = highest = proxy.resident_bytes()
    with connected(proxy.address, PATIENCE_SECONDS) as client:
        busy.start()
        while busy.is_alive() or len(waits) < 10:
            asked_at = time.monotonic()
            client.ask(b"GET", b"/health")
            waits.append(time.monotonic() - asked_at)
            highest = max(highest, proxy.resident_bytes())
            time.sleep(0.002)
    busy.join()
    seen = Seen(waits, highest - before)
    print(  # noqa: T201 (pytest -rP shows it)
        f"others waited {1000 * seen.longest_wait:.0f} ms at most, "
        f"{1000 * seen.usual_wait:.0f} ms in 99 of 100 times; "
        f"growth {seen.growth / MIB:.0f} MiB"
    )
    return seen
