"""Bodies that the native transport hands over by itself, on both event loops."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
from tests.scripted_upstream import (
    CHUNKED,
    ScriptedUpstream,
    Step,
    answer,
    chunk,
    end_of_chunks,
    head,
    pause,
    receive,
    reset,
    stall,
)
from tests.upstream_client import Run, body_of, client_of, on_loop, pieces, request

from openai_proxy.adapters.upstream.httpx_upstream import HttpxUpstream
from openai_proxy.adapters.upstream.native_transport import NativeTransport
from openai_proxy.domain.errors import UpstreamError, UpstreamTimeout
from openai_proxy.domain.ports import ChunkTaker, UpstreamResponse, pushing

CHUNKS = [b"one", b"two", b"three", b"four"]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return on_loop(request.param)


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


def connected(upstream: ScriptedUpstream) -> AbstractAsyncContextManager[HttpxUpstream]:
    return client_of(upstream.url, NativeTransport(), read_timeout=0.3)


def streams(*chunks: bytes, then: Step) -> list[Step]:
    sent = [step for data in chunks for step in (chunk(data), pause(0.02))]
    return [receive(), head(200, CHUNKED), *sent, then]


async def push(answer: UpstreamResponse, take: ChunkTaker) -> None:
    body = pushing(answer.body)
    assert body is not None
    await body.push(take)


def test_chunks_are_taken_without_waking_a_task(run: Run, upstream: ScriptedUpstream) -> None:
    upstream.plays(*streams(*CHUNKS, then=end_of_chunks()))
    taken: list[tuple[bytes, bool]] = []

    def take(piece: bytes) -> None:
        taken.append((piece, asyncio.current_task() is not None))

    async def main() -> None:
        async with connected(upstream) as client, client.send(request()) as answer:
            await push(answer, take)

    run(main())

    # The first may have come together with the head.
    assert taken[1:] == [(piece, False) for piece in CHUNKS[1:]]
    assert taken[0][0] == CHUNKS[0]


def test_a_taker_that_has_to_be_waited_for_gets_no_more_meanwhile(
    run: Run, upstream: ScriptedUpstream
) -> None:
    upstream.plays(*streams(*CHUNKS, then=end_of_chunks()))
    events: list[str] = []

    async def swallow(piece: bytes) -> None:
        events.append(f"begins {piece.decode()}")
        await asyncio.sleep(0.05)
        events.append(f"ends {piece.decode()}")

    async def main() -> None:
        async with connected(upstream) as client, client.send(request()) as answer:
            await push(answer, swallow)

    run(main())

    assert events == [f"{edge} {piece.decode()}" for piece in CHUNKS for edge in ("begins", "ends")]


def test_what_a_taker_raises_reaches_whoever_pushes(run: Run, upstream: ScriptedUpstream) -> None:
    upstream.plays(*streams(*CHUNKS, then=end_of_chunks()))
    taken: list[bytes] = []

    def take(piece: bytes) -> None:
        taken.append(piece)
        if piece == b"three":
            raise ValueError(piece)

    async def main() -> None:
        async with connected(upstream) as client, client.send(request()) as answer:
            await push(answer, take)

    with pytest.raises(ValueError, match="three"):
        run(main())

    assert taken == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    ("end", "error"), [(reset(), UpstreamError), (stall(), UpstreamTimeout)], ids=["cut", "silent"]
)
def test_what_came_before_a_failure_is_taken(
    run: Run, upstream: ScriptedUpstream, end: Step, error: type[UpstreamError]
) -> None:
    upstream.plays(*streams(*CHUNKS, then=end))
    taken: list[bytes] = []

    async def main() -> None:
        async with connected(upstream) as client, client.send(request()) as answer:
            await push(answer, taken.append)

    with pytest.raises(error):
        run(main())

    assert taken == CHUNKS


def test_each_chunk_puts_the_timeout_off(run: Run, upstream: ScriptedUpstream) -> None:
    steps = [step for data in CHUNKS for step in (chunk(data), pause(0.2))]
    upstream.plays(receive(), head(200, CHUNKED), *steps, end_of_chunks())
    taken: list[bytes] = []

    async def main() -> None:
        async with connected(upstream) as client, client.send(request()) as answer:
            await push(answer, taken.append)

    run(main())

    assert taken == CHUNKS


def test_an_answer_is_not_late_while_its_request_is_on_its_way(
    run: Run, upstream: ScriptedUpstream
) -> None:
    upstream.plays(answer(200, [], b"before"))
    upstream.plays(head(200, CHUNKED), chunk(b"one"), receive(), chunk(b"two"), end_of_chunks())
    taken: list[bytes] = []

    async def main() -> None:
        slow = request(body=pieces(*[b"x"] * 8, rest_seconds=0.1), content_length=8)
        async with connected(upstream) as client:
            # What is left of its timer rings during the next.
            await body_of(client, request("GET"))
            async with client.send(slow) as told:
                await push(told, taken.append)

    run(main())

    assert taken == [b"one", b"two"]


def test_nothing_is_taken_after_a_cancellation(run: Run, upstream: ScriptedUpstream) -> None:
    upstream.plays(*streams(*CHUNKS, then=stall()))
    taken: list[bytes] = []

    async def main() -> int:
        transport = NativeTransport()
        async with client_of(upstream.url, transport) as client:
            first = asyncio.Event()

            def take(piece: bytes) -> None:
                taken.append(piece)
                first.set()

            async def exchange() -> None:
                async with client.send(request()) as answer:
                    await push(answer, take)

            pushing = asyncio.create_task(exchange())
            await first.wait()
            pushing.cancel()
            await asyncio.wait((pushing,))
            before = len(taken)
            await asyncio.sleep(0.1)
            return before

    assert run(main()) == len(taken)
    assert upstream.requests[0].departure.wait() in {"fin", "reset"}


def test_the_bodies_of_other_transports_are_iterated(run: Run, upstream: ScriptedUpstream) -> None:
    async def main() -> bool:
        async with (
            client_of(upstream.url, httpx.AsyncHTTPTransport()) as client,
            client.send(request("GET")) as answer,
        ):
            return pushing(answer.body) is None

    assert run(main())


def test_a_taker_may_begin_to_wait_at_any_chunk(run: Run, upstream: ScriptedUpstream) -> None:
    upstream.plays(*streams(*CHUNKS, then=end_of_chunks()))
    taken: list[bytes] = []

    def take(piece: bytes) -> Awaitable[None] | None:
        taken.append(piece)
        return asyncio.sleep(0.03) if len(taken) % 2 else None

    async def main() -> None:
        async with connected(upstream) as client, client.send(request()) as answer:
            await push(answer, take)

    run(main())

    assert taken == CHUNKS
