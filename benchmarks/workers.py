"""What more processes bring: the rate of chats, what each costs, and memory, by WORKERS.

python -m benchmarks workers [ROUNDS]

The load and the upstream share the processors with them here, so the rate is
what this very machine gives; what a chat costs says what others would.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack

import uvloop
from attrs import frozen

from .contenders import Contender, Running, product, running, scripted_upstream
from .processes import Process
from .scenarios import Outcome, chats

MIB = 1024 * 1024

_SECONDS = 4.0
_SETTLING_SECONDS = 2
_WORKERS = (1, 2)
_KEEP = {"everything": "1.0", "a half": "2.0"}


@frozen
class Round:
    """What the processes of one contender did in a few seconds."""

    name: str
    chats_a_second: float
    microseconds_a_chat: float
    processors: float
    memory: Sequence[float]
    """MiB of each process; what several share is divided among them."""

    @classmethod
    async def of(cls, each: Running, process: Process) -> "Round":
        """Put chats on a contender, as many as it takes."""
        before = process.cpu_seconds()
        outcome = Outcome(process.cpu_seconds)
        await chats(each.port, _SECONDS, outcome)
        used = process.cpu_seconds() - before
        return cls(
            name=each.contender.name,
            chats_a_second=outcome.units / outcome.seconds,
            microseconds_a_chat=1e6 * used / outcome.units,
            processors=used / outcome.seconds,
            memory=[size / MIB for size in process.proportional_bytes()],
        )


async def rounds(count: int) -> AsyncIterator[Round]:
    """All contenders in turn, so many times."""
    processors = frozenset(os.sched_getaffinity(0))
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(scripted_upstream(processors))
        field = [
            await stack.enter_async_context(running(contender, upstream, processors))
            for contender in _contenders()
        ]
        await asyncio.sleep(_SETTLING_SECONDS)
        for _ in range(count):
            for each in field:
                if each.process is not None:
                    yield await Round.of(each, each.process)


def table(measured: Sequence[Round]) -> Iterator[str]:
    """The best of the rounds in Markdown: what else runs on the machine only makes them worse."""
    yield (
        "| keeps | `WORKERS` | chats a second | processor time a chat, µs "
        "| processors busy | memory of each process, MiB |"
    )
    yield "|---|---:|---:|---:|---:|---|"
    for name in dict.fromkeys(each.name for each in measured):
        mine = [each for each in measured if each.name == name]
        yield (
            f"| {name} | {max(each.chats_a_second for each in mine):,.0f} "
            f"| {min(each.microseconds_a_chat for each in mine):.0f} "
            f"| {max(each.processors for each in mine):.2f} "
            f"| {', '.join(f'{mib:.0f}' for mib in mine[-1].memory)} |"
        )


async def main(count: int) -> None:
    """Measure and print."""
    measured = [each async for each in rounds(count)]
    print(*table(measured), sep="\n")  # noqa: T201 its only purpose


def _contenders() -> Iterator[Contender]:
    for keep, ratio in _KEEP.items():
        for workers in _WORKERS:
            yield product(f"{keep} | {workers}", WORKERS=str(workers), COMPRESSION_RATIO=ratio)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
