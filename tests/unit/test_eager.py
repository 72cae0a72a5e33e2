"""Work that is begun without a task, and ended in one if it has to wait."""

import asyncio
from collections.abc import Awaitable

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from

from openai_proxy.adapters.inbound.eager import begun


async def _nothing() -> None:
    pass


WAITS = {
    "a turn of the loop": lambda: asyncio.sleep(0),
    "a while": lambda: asyncio.sleep(0.001),
    "nothing": _nothing,
}


def rest_of(work: Awaitable[None]) -> Awaitable[None]:
    rest = begun(work)
    assert rest is not None
    return rest


@given(integers(0, 5))
def test_work_that_never_waits_is_done_at_once(steps: int) -> None:
    done: list[int] = []

    async def work() -> None:
        for step in range(steps):
            await _nothing()
            done.append(step)

    assert begun(work()) is None
    assert done == [*range(steps)]


@given(lists(sampled_from(sorted(WAITS)), max_size=5))
def test_every_step_is_done_once_and_in_order(waits: list[str]) -> None:
    done: list[int] = []

    async def work() -> None:
        for step, wait in enumerate(waits):
            await WAITS[wait]()
            done.append(step)

    async def main() -> None:
        rest = begun(work())
        if rest is not None:
            await rest

    asyncio.run(main())

    assert done == [*range(len(waits))]


def test_an_error_is_raised_where_the_work_is_begun_or_awaited() -> None:
    async def work(wait: str) -> None:
        await WAITS[wait]()
        raise ValueError(wait)

    async def main() -> None:
        with pytest.raises(ValueError, match="nothing"):
            begun(work("nothing"))
        with pytest.raises(ValueError, match="a while"):
            await rest_of(work("a while"))

    asyncio.run(main())


def test_a_cancellation_is_raised_within_the_work() -> None:
    cancelled: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append("here")
            raise

    async def main() -> None:
        task = asyncio.ensure_future(rest_of(work()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()

    asyncio.run(main())

    assert cancelled == ["here"]
