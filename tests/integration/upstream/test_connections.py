"""What becomes of connections: used again, left early, cancelled, over either transport and loop."""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from types import FrameType
from typing import Any, ClassVar

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
    send,
    stall,
)
from tests.upstream_client import Connect, Run, body_of, open_descriptors, request
from tests.waiting import wait_until

from openai_proxy.adapters.upstream.httpx_upstream import HttpxUpstream

MIB = 1024 * 1024


class TestConnections:
    def test_one_is_used_for_request_after_request(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        async def main() -> None:
            async with connect() as client:
                for _ in range(20):
                    await body_of(client, request(body=b"{}"))

        run(main())

        assert len({seen.connection for seen in upstream.requests}) == 1

    def test_idle_ones_that_the_upstream_closed_cost_no_request(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        async def main() -> None:
            async with connect() as client:
                for _ in range(60):
                    await body_of(client, request(body=b"{}"))
                    await asyncio.to_thread(upstream.close_connections)

        run(main())

        assert len(upstream.requests) == 60

    def test_a_request_costs_little_more_beside_many_idle_ones(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        async def main(others: int) -> int:
            async with connect() as client:
                await asyncio.gather(*[_start(client) for _ in range(others + 1)])
                return await _calls_of(body_of(client, request(body=b"{}")))

        upstream.otherwise_plays(receive(), pause(0.05), answer(200))

        assert run(main(60)) - run(main(0)) < 60 * 100

    def test_what_follows_an_answer_never_answers_the_next_request(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        stray = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
        scripts: list[list[Step]] = [
            [send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + stray)],
            [send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + stray)],
            [send(b"HTTP/1.1 204 No Content\r\n\r\n" + stray)],
            [answer(200, (), b"ok"), pause(0.01), send(stray)],
            [answer(200, (), b"ok"), pause(0.01), send(b"\r\n")],
        ]
        for script in scripts:
            upstream.plays(receive(), *script, stall())

        async def main() -> list[bytes]:
            answers: list[bytes] = []
            async with connect() as client:
                for _ in scripts:
                    answers.append(await body_of(client, request("GET")))
                    await asyncio.sleep(0.05)
            return answers

        assert run(main()) == [b"ok", b"", b"", b"ok", b"ok"]
        assert len({seen.connection for seen in upstream.requests}) == len(scripts)

    @pytest.mark.parametrize(
        "so_far", [[stall()], [head(200, CHUNKED), chunk(b"x"), stall()]], ids=["head", "body"]
    )
    def test_leaving_the_block_closes_the_upstream_at_once(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream, so_far: list[Step]
    ) -> None:
        upstream.plays(receive(), *so_far)

        async def main() -> float:
            async with connect() as client:
                answered = asyncio.create_task(body_of(client, request(body=b"{}")))
                seen = await asyncio.to_thread(upstream.next_request)
                await asyncio.sleep(0.05)
                left_at = time.monotonic()
                answered.cancel()
                await asyncio.wait((answered,))
                await asyncio.to_thread(seen.departure.wait)
                return seen.departure.at - left_at

        assert run(main()) < 1

    def test_leaving_a_large_answer_closes_the_upstream_at_once(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), answer(200, (), bytes(32 * MIB)))

        async def main() -> float:
            async with connect() as client:
                async with client.send(request(body=b"{}")) as answer:
                    await anext(aiter(answer.body))
                left_at = time.monotonic()
                departure = upstream.next_request().departure
                await asyncio.to_thread(departure.wait)
                return departure.at - left_at

        assert run(main()) < 1


class TestCancellation:
    """A task may be cancelled at any await, and costs nobody else anything."""

    slots: ClassVar = {"max_connections": 10, "max_keepalive_connections": 10}

    @pytest.mark.parametrize("steps", range(0, 40, 4))
    @pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
    def test_twenty_cancelled_requests_leave_room_for_twenty_more(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream, steps: int, *, again: bool
    ) -> None:
        upstream.otherwise_plays(
            receive(), head(200, CHUNKED), chunk(b"a"), chunk(b"b"), end_of_chunks()
        )

        async def main() -> list[bytes]:
            async with connect(limits=self.slots) as client:
                await _cancel_after(steps, [_start(client) for _ in range(20)], again=again)
                return await asyncio.gather(*[_start(client) for _ in range(20)])

        assert run(main()) == [b"ab"] * 20

    def test_hundreds_of_random_cuts_leave_the_pool_whole_and_no_descriptor_behind(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        upstream.otherwise_plays(
            receive(),
            pause(0.002),
            head(200, CHUNKED),
            chunk(b"a"),
            pause(0.002),
            chunk(b"b"),
            end_of_chunks(),
        )
        chance = random.Random(20)
        before = open_descriptors()

        async def main() -> list[bytes]:
            async with connect(limits=self.slots) as client:
                for _ in range(15):
                    requests = [_start(client) for _ in range(20)]
                    for cut in requests:
                        await asyncio.sleep(chance.random() * 0.001)
                        cut.cancel()
                    await asyncio.wait(requests)
                after = await asyncio.gather(*[_start(client) for _ in range(20)])
                assert _tasks_left() == set()
            return after

        assert run(main()) == [b"ab"] * 20
        _wait_for_descriptors(before + 4)

    def test_a_body_is_not_read_any_more_once_the_exchange_is_over(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(stall())
        is_waited_for = asyncio.Event()
        is_over = False

        async def body() -> AsyncIterator[bytes]:
            nonlocal is_over
            yield b"x"
            is_waited_for.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.02)
                is_over = True

        async def main() -> bool:
            async with connect() as client:
                sending = asyncio.create_task(body_of(client, request(body=body())))
                await is_waited_for.wait()
                sending.cancel()
                await asyncio.wait((sending,))
                return is_over

        assert run(main())


async def _calls_of(task: Awaitable[object]) -> int:
    """How many functions of Python are called until it is done."""
    calls = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        await task
    finally:
        sys.setprofile(None)
    return calls


def _start(client: HttpxUpstream) -> asyncio.Task[bytes]:
    return asyncio.create_task(body_of(client, request(body=b"{}")))


async def _cancel_after(
    steps: int, tasks: list[asyncio.Task[bytes]], *, again: bool = False
) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    if again:
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
    await asyncio.wait(tasks)


def _tasks_left() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def _wait_for_descriptors(at_most: int) -> None:
    wait_until(lambda: open_descriptors() <= at_most)
