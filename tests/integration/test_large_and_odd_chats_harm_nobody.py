"""A chat made to be hard to compress arrives, and everybody else is served meanwhile."""

import json
import math
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable

import pytest
from attrs import frozen
from tests.figures import assert_at_most
from tests.raw_client import connected, request
from tests.resident_memory import MIB, growth_of_at_most
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import ScriptedUpstream, answer, receive
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

CHAT = b"/v1/chat/completions"
LONG = 1_100_000
PATIENCE_SECONDS = 60
HELD_CEILING_SECONDS = 0.1
ROUNDS = 3

RUNS_OF_ONE_CHARACTER = [" ", "\t", "a", "7", "^", "\n", "\u00a0", "中", "😀", "\u0301"]


def _run(character: str) -> str:
    return character * (LONG // len(character.encode()))


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
    text = _run(character)

    assert _ask(halving, _chat(text)) == 200

    sent = json.loads(bytes(upstream.requests[0].body))["messages"][0]["content"]
    assert 0 < len(sent) <= len(text)
    assert set(sent) == {character}


STRUCTURE_BOMBS = {
    "a million messages": lambda: (
        b'{"messages": [' + b",".join([b'{"role":"user","content":1}'] * 1_000_000) + b"]}"
    ),
    "a million messages of users": lambda: (
        b'{"messages": [' + b",".join([b'{"role":"user","content":"a"}'] * 1_000_000) + b"]}"
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
    held: list[float] = []
    # What else the machine does comes in between as well, but hardly each time.
    while len(held) < ROUNDS and min(held, default=math.inf) > HELD_CEILING_SECONDS:
        upstream.plays(receive(), answer(200))
        with growth_of_at_most(8 * len(bomb) + 64 * MIB, with_a_high_limit):
            waits = _waits_of_others(with_a_high_limit, lambda: _ask(with_a_high_limit, bomb))
        assert upstream.requests[-1].body == bomb
        held.append(max(wait.held for wait in waits))

    assert_at_most(HELD_CEILING_SECONDS, min(held), "s that the event loop was held")


SIXTEEN_TEXTS = {
    "of words": [f"{n} and so on, and so forth; " * (LONG // 30) for n in range(16)],
    "of one character each": [_run(character) for character in RUNS_OF_ONE_CHARACTER * 2][:16],
}


@pytest.mark.parametrize("texts", SIXTEEN_TEXTS.values(), ids=SIXTEEN_TEXTS)
def test_sixteen_long_texts_at_once_leave_room_for_others(
    halving: RunningProxy, upstream: ScriptedUpstream, texts: list[str]
) -> None:
    _ask(halving, _chat("The first starts what logs it, and a thread of its own."))
    threads = halving.threads()
    upstream.forget()
    askers = [threading.Thread(target=_ask, args=(halving, _chat(text))) for text in texts]

    def ask_all() -> None:
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()

    with growth_of_at_most(256 * MIB, halving):
        waits = _waits_of_others(halving, ask_all)

    assert len(upstream.requests) == 16
    assert_at_most(0.25, _p99([wait.seconds for wait in waits]), "s for others at p99")
    processors = len(os.sched_getaffinity(0))
    assert_at_most(processors - 1, halving.threads() - threads, "threads more than one that works")


WORK_OF_SECONDS = {
    "one long text": lambda: _chat("and so on, and so forth; " * 160_000),
    "a word of four million letters": lambda: _chat("abcdefgh" * 500_000),
    "a million empty arrays": lambda: b'{"messages": [' + b",".join([b"[]"] * 1_300_000) + b"]}",
}


@pytest.mark.parametrize("make_body", WORK_OF_SECONDS.values(), ids=WORK_OF_SECONDS)
def test_the_processor_is_free_again_soon_after_a_client_has_left(
    halving: RunningProxy, make_body: Callable[[], bytes]
) -> None:
    body = make_body()
    idle = halving.processor_seconds()
    with connected(halving.address) as client:
        client.send(request(b"POST", CHAT, body=body))
        wait_until(lambda: halving.processor_seconds() > idle + 0.2)

    time.sleep(0.5)
    soon_after = halving.processor_seconds()
    time.sleep(0.5)

    still = halving.processor_seconds() - soon_after
    assert_at_most(0.05, still, "s of work in the second half of the first second")


@frozen
class Wait:
    """How long a small request took while something went on."""

    seconds: float
    busy_seconds: float
    """How long the proxy computed meanwhile, whatever for."""

    @property
    def held(self) -> float:
        """How long the proxy itself may have held it up; a busy machine does so too."""
        return min(self.seconds, self.busy_seconds)


def _waits_of_others(proxy: RunningProxy, meanwhile: Callable[[], object]) -> list[Wait]:
    """What small requests, one right after another, waited while something went on."""
    busy = threading.Thread(target=meanwhile)
    waits: list[Wait] = []
    with connected(proxy.address, PATIENCE_SECONDS) as client:
        busy.start()
        while busy.is_alive() or len(waits) < 10:
            asked_at, computed = time.monotonic(), proxy.processor_seconds()
            client.ask(b"GET", b"/health")
            waits.append(Wait(time.monotonic() - asked_at, proxy.processor_seconds() - computed))
            time.sleep(0.002)
    busy.join()
    return waits


def _p99(waits: list[float]) -> float:
    return statistics.quantiles(waits, n=100, method="inclusive")[98]
