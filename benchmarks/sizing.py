"""How many instances a load needs and what they cost, from what the relay was measured to use.

python -m benchmarks sizing RESULTS.json
"""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from attrs import frozen

from .contenders import PRODUCT

MONTH_SECONDS = 730 * 3600
RATES = (10, 100, 1_000, 10_000)


@frozen
class Costs:
    """What the relay takes on one processor, in microseconds."""

    request: float
    chunk: float

    @classmethod
    def measured(cls, results: Path) -> Self:
        """Those of a run of the benchmark."""
        cpu = {
            each["scenario"]: each["cpu"]
            for each in json.loads(results.read_text())["measurements"]
            if each["contender"] == PRODUCT and "cpu" in each
        }
        return cls(request=round(cpu["chat"], 1), chunk=round(cpu["streams"], 1))


@frozen
class Assumptions:
    """What the traffic is like and what the platform charges: for the reader to replace."""

    seconds_an_answer: float = 10
    chunks_a_second: float = 20
    busy: float = 0.6
    """The share of its processor and of its concurrency at which another instance is started."""
    concurrency: int = 250
    memory_gib: float = 1
    dollars_a_cpu_second: float = 0.000024
    dollars_a_gib_second: float = 0.0000025
    dollars_a_million_requests: float = 0.40


@frozen
class Size:
    """What one load needs."""

    requests_a_second: float
    streams: float
    processors: float
    instances: int
    dollars_a_month: float

    @classmethod
    def of(cls, requests_a_second: float, costs: Costs, given: Assumptions) -> Self:
        """For so many streamed answers a second."""
        streams = requests_a_second * given.seconds_an_answer
        chunks = given.chunks_a_second * given.seconds_an_answer
        processors = requests_a_second * (costs.request + chunks * costs.chunk) / 1e6
        instances = max(
            math.ceil(processors / given.busy),
            math.ceil(streams / (given.busy * given.concurrency)),
        )
        second = given.dollars_a_cpu_second + given.memory_gib * given.dollars_a_gib_second
        dollars = MONTH_SECONDS * (
            instances * second + requests_a_second * given.dollars_a_million_requests / 1e6
        )
        return cls(requests_a_second, streams, processors, instances, dollars)


def table(costs: Costs) -> Iterator[str]:
    """A table in Markdown, for the concurrency of the deployment and for the platform's most."""
    few, many = Assumptions(), Assumptions(concurrency=1000)
    yield (
        "| answers a second | streams at once | processors busy "
        f"| instances at concurrency {few.concurrency} | USD a month "
        f"| instances at {many.concurrency} | USD a month |"
    )
    yield "|" + "---:|" * 7
    for rate in RATES:
        some, more = Size.of(rate, costs, few), Size.of(rate, costs, many)
        yield (
            f"| {rate:,} | {some.streams:,.0f} | {some.processors:.2f} "
            f"| {some.instances:,} | {some.dollars_a_month:,.0f} "
            f"| {more.instances:,} | {more.dollars_a_month:,.0f} |"
        )


def main() -> None:
    """Print the table."""
    print(*table(Costs.measured(Path(sys.argv[1]))), sep="\n")  # noqa: T201 its only purpose


if __name__ == "__main__":
    main()
