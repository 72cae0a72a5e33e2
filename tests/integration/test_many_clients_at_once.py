"""A thousand requests under way, or nine hundred that never begin: others are served as always."""

import asyncio
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from tests.figures import assert_at_most
from tests.proxy_errors import assert_error_of_the_proxy
from tests.raw_client import connected, request
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import ScriptedUpstream, receive, stall
from tests.waiting import wait_until

if sys.platform == "win32":
    pytest.skip("descriptors are limited in another way there", allow_module_level=True)

import resource

MAX_CONCURRENCY = 1000
"""The default."""
HALF_SENT = 900
DESCRIPTORS_NEEDED = 4 * MAX_CONCURRENCY
USUAL_SOFT_LIMIT = 1024


@contextmanager
def _soft_limit(descriptors: int) -> Generator[None]:
    """So many open files are allowed meanwhile, to this process and to those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(autouse=True, scope="module")
def _room_for_connections() -> Iterator[None]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS_NEEDED:
        pytest.skip(f"only {hard} open files are allowed here")
    with _soft_limit(DESCRIPTORS_NEEDED):
        yield


@pytest.fixture(scope="module")
def crowded(start_proxy: StartProxy, _room_for_connections: None) -> RunningProxy:
    """A proxy with the defaults, its own and those of most systems."""
    with _soft_limit(USUAL_SOFT_LIMIT):
        return start_proxy()


def test_a_thousand_requests_are_under_way_and_one_more_is_told_to_come_again(
    crowded: RunningProxy, upstream: ScriptedUpstream
) -> None:
    upstream.otherwise_plays(receive(), stall())
    before = crowded.open_descriptors()
    with ExitStack() as connections:
        for _ in range(MAX_CONCURRENCY):
            waiting = connections.enter_context(connected(crowded.address))
            waiting.send(request(b"GET", b"/v1/models"))
        wait_until(lambda: len(upstream.requests) == MAX_CONCURRENCY)

        with connected(crowded.address) as client:
            asked_at = time.monotonic()
            refused = client.ask(b"GET", b"/v1/models")
            refused_after = time.monotonic() - asked_at
            health = client.ask(b"GET", b"/health")

    assert_error_of_the_proxy(refused, 503, "overloaded")
    assert refused.values(b"retry-after") == [b"1"]
    assert_at_most(0.5, refused_after, "s until one more was told to come again")
    assert health.status == 200
    wait_until(lambda: crowded.open_descriptors() <= before + 40)
    assert len(upstream.requests) == MAX_CONCURRENCY


HALF_A_HEAD = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-Half: "
WHOLE = request(b"GET", b"/health")
WAYS_TO_DAWDLE = {
    "silent": (b"", b""),
    "half a head": (HALF_A_HEAD, b""),
    "a byte a second": (HALF_A_HEAD, b"x"),
    "half of a second head": (WHOLE + HALF_A_HEAD, b""),
}
"""What is sent at once, and what each second from then on."""


async def _seconds_until_dropped(port: int, at_once: bytes, each_second: bytes) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    opened_at = time.monotonic()
    writer.write(at_once)
    drip = asyncio.create_task(_drip(writer, each_second))
    try:
        await reader.read()
    except ConnectionResetError:
        pass
    finally:
        drip.cancel()
        writer.close()
    return time.monotonic() - opened_at


async def _drip(writer: asyncio.StreamWriter, each_second: bytes) -> None:
    while each_second:
        await asyncio.sleep(1)
        writer.write(each_second)


async def _dawdle(port: int) -> list[float]:
    ways = list(WAYS_TO_DAWDLE.values())
    return await asyncio.gather(
        *[_seconds_until_dropped(port, *ways[n % len(ways)]) for n in range(HALF_SENT)]
    )


def test_nine_hundred_half_sent_heads_harm_nobody_and_are_dropped(
    crowded: RunningProxy, upstream: ScriptedUpstream
) -> None:
    dropped_after: list[float] = []
    dawdlers = threading.Thread(
        target=lambda: dropped_after.extend(asyncio.run(_dawdle(crowded.port)))
    )
    before = crowded.open_descriptors()
    with connected(crowded.address) as idle_between_requests:
        first = idle_between_requests.ask(b"GET", b"/health")
        dawdlers.start()
        wait_until(lambda: crowded.open_descriptors() >= before + HALF_SENT)

        answers = [_status_and_seconds(crowded) for _ in range(50)]
        dawdlers.join()
        second = idle_between_requests.ask(b"GET", b"/health")

    assert (first.status, second.status) == (200, 200)
    assert Counter(status for status, _ in answers) == {200: 50}
    assert_at_most(0.5, max(seconds for _, seconds in answers), "s until others were answered")
    assert len(dropped_after) == HALF_SENT
    assert_at_most(20, max(dropped_after), "s until the last of them was dropped")
    assert len(upstream.requests) == 50


def _status_and_seconds(proxy: RunningProxy) -> tuple[int, float]:
    asked_at = time.monotonic()
    with connected(proxy.address) as client:
        status = client.ask(b"GET", b"/v1/models").status
    return status, time.monotonic() - asked_at
