"""Load of every kind, with departures and failures in between, for as long as one likes.

Each answer is checked against what was asked, so that one that went to the
wrong client shows; at the end memory and descriptors are what they were.
"""

import faulthandler
import json
import random
import sys
import threading
import time
from collections.abc import Callable

import pytest
from attrs import Factory, define
from tests.figures import assert_at_most
from tests.raw_client import Answer, RawClient, chunked, connected, request
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import CHUNKED, EVENT_STREAM, Exchange, ScriptedUpstream

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

MIB = 1024 * 1024
WORKERS = 8
ROUND_SECONDS = 5
SHARE_OF_DEPARTURES = 0.3
GROWTH_CEILING = 16 * MIB
DESCRIPTORS_CEILING = 40
TEXT = "One, two, three, four, five, once I caught a fish alive. " * 20

EVENTS = 20

Question = tuple[bytes, Callable[[Answer], bool]]
"""A request, and what tells a right answer to it from a wrong one."""


async def _play(exchange: Exchange) -> None:
    """Answer with what was asked: its target, its body, and that many events."""
    await exchange.receive_body()
    target = exchange.request.target
    if b"/cut/" in target:
        await exchange.send_head(200, [(b"Content-Length", b"1000")])
        await exchange.send(target)
        exchange.end()
        exchange.writer.close()
    elif b"/none/" in target:
        exchange.end()
        exchange.writer.close()
    elif b"/stream/" in target:
        await exchange.send_head(200, EVENT_STREAM)
        for n in range(EVENTS):
            await exchange.send_chunk(b"data: %s %d\n\n" % (target, n))
            await exchange.pause(0.002)
        await exchange.send_chunk(b"")
    else:
        await exchange.answer(200, [(b"X-Target", target)], bytes(exchange.request.body))
    exchange.request.body.clear()


def _is_whole(answer: Answer, target: bytes, body: bytes) -> bool:
    return (answer.status, answer.complete, answer.values(b"x-target"), answer.body) == (
        200,
        True,
        [target],
        body,
    )


def _get(nonce: bytes, _: bytes) -> Question:
    target = b"/v1/get/" + nonce
    return request(b"GET", target), lambda got: _is_whole(got, target, b"")


def _post(nonce: bytes, body: bytes) -> Question:
    target = b"/v1/post/" + nonce
    return request(b"POST", target, body=body), lambda got: _is_whole(got, target, body)


def _post_chunks(nonce: bytes, body: bytes) -> Question:
    target = b"/v1/chunks/" + nonce
    half = len(body) // 2
    asked = request(b"POST", target, CHUNKED, chunked(body[:half], body[half:]))
    return asked, lambda got: _is_whole(got, target, body)


def _chat(nonce: bytes, _: bytes) -> Question:
    target = b"/v1/chat/completions?" + nonce
    body = json.dumps({"user": nonce.decode(), "messages": [{"role": "user", "content": TEXT}]})

    def is_thinned(got: Answer) -> bool:
        content = json.loads(got.body)["messages"][0]["content"]
        return len(content) < len(TEXT) and _is_whole(
            got, target, body.replace(TEXT, content).encode()
        )

    return request(b"POST", target, body=body.encode()), is_thinned


def _stream(nonce: bytes, _: bytes) -> Question:
    target = b"/v1/stream/" + nonce
    events = b"".join(b"data: %s %d\n\n" % (target, n) for n in range(EVENTS))
    asked = request(b"POST", target, body=b"{}")
    return asked, lambda got: (got.complete, got.body) == (True, events)


def _cut(nonce: bytes, _: bytes) -> Question:
    target = b"/v1/cut/" + nonce
    return request(b"GET", target), lambda got: (got.complete, got.body) == (False, target)


def _no_answer(nonce: bytes, _: bytes) -> Question:
    asked = request(b"POST", b"/v1/none/" + nonce, body=b"{}")
    return asked, lambda got: (got.complete, got.status) == (True, 502)


KINDS = [_get, _post, _post_chunks, _chat, _stream, _cut, _no_answer]


@define
class Tally:
    """How the requests of all workers ended."""

    right: int = 0
    left: int = 0
    wrong: list[str] = Factory(list[str])
    _lock: threading.Lock = Factory(threading.Lock)

    def count(self, outcome: str, what: bytes = b"") -> None:
        with self._lock:
            if outcome == "right":
                self.right += 1
            elif outcome == "left":
                self.left += 1
            else:
                self.wrong.append(f"{what[:80]!r}: {outcome}")


def _work(proxy: RunningProxy, seed: int, until: float, tally: Tally) -> None:
    chance = random.Random(seed)
    while time.monotonic() < until:
        with connected(proxy.address) as client:
            while time.monotonic() < until and _one_request(client, chance, tally):
                pass


def _one_request(client: RawClient, chance: random.Random, tally: Tally) -> bool:
    """Ask once, or leave in the middle of it; whether the connection may be used again."""
    nonce = b"%x" % chance.getrandbits(64)
    asked, is_right = chance.choice(KINDS)(nonce, nonce * chance.randrange(1, 3000))
    if chance.random() < SHARE_OF_DEPARTURES:
        client.send(asked[: chance.randrange(1, 2 * len(asked))])
        time.sleep(chance.random() * 0.02)
        chance.choice([RawClient.close, RawClient.reset])(client)
        tally.count("left")
        return False
    try:
        client.send(asked)
        got = client.receive_answer()
        tally.count("right" if is_right(got) else f"{got}", asked)
    except OSError as error:
        tally.count(repr(error), asked)
        return False
    return got.complete and chance.random() < 0.9


def _load(proxy: RunningProxy, seed: int, tally: Tally) -> None:
    until = time.monotonic() + ROUND_SECONDS
    workers = [
        threading.Thread(target=_work, args=(proxy, seed + n, until, tally)) for n in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


@pytest.mark.parametrize("seconds", [20, pytest.param(600, marks=pytest.mark.soak)])
def test_no_answer_is_wrong_and_nothing_is_left_behind(
    start_proxy: StartProxy, upstream: ScriptedUpstream, seconds: int
) -> None:
    # Longer than a test that hangs may take.
    faulthandler.cancel_dump_traceback_later()
    proxy = start_proxy(COMPRESSION_RATIO="2")
    tally = Tally()
    memory: list[int] = []
    descriptors: list[int] = []
    for seed in range(0, WORKERS * seconds // ROUND_SECONDS, WORKERS):
        upstream.forget()
        upstream.otherwise_plays(_play)
        _load(proxy, seed, tally)
        memory.append(proxy.resident_bytes())
        descriptors.append(proxy.open_descriptors())

    assert tally.wrong == []
    assert_at_most(0, len(tally.wrong), f"wrong of {tally.right} beside {tally.left} that left")
    assert min(tally.right, tally.left) > 10 * seconds
    assert_at_most(GROWTH_CEILING / MIB, (max(memory) - memory[0]) / MIB, "MiB of growth")
    assert_at_most(
        DESCRIPTORS_CEILING, max(descriptors) - descriptors[0], "descriptors more than at first"
    )
    assert "Traceback" not in proxy.stderr
