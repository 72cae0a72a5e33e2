"""What happened since the start, as sums that cost a request next to nothing.

Plain numbers are added up here and turned into Prometheus's form only when it
asks: looking up one labelled counter of its client library costs as much as
counting a whole request in this way. Labels come from small fixed sets, so neither memory nor
the page grows with what callers send.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from operator import add
from typing import Protocol, Self

from attrs import frozen
from prometheus_client import PROCESS_COLLECTOR
from prometheus_client.core import Metric

from ...domain.bodies.compressed_body import CompressedBody
from ...domain.http.endpoints import endpoint_class
from ...domain.ports import RelayedRequest
from ...domain.savings.sums import Savings, tokens_saved

_SWITCHING_PROTOCOLS = 101
REQUEST_BOUNDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
COMPRESSION_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Distribution:
    """How often a value fell under each of some bounds."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def __iadd__(self, other: "Distribution") -> Self:
        self._counts = list(map(add, self._counts, other._counts))
        self.sum += other.sum
        return self

    def buckets(self) -> Iterator[tuple[str, int]]:
        """Each bound and how many values do not exceed it, as Prometheus counts."""
        names = [*map(str, map(float, self._bounds)), "+Inf"]
        return zip(names, accumulate(self._counts), strict=True)


class Endpoint:
    """What happened at one part of the API."""

    __slots__ = ("duration", "first_byte", "statuses")

    def __init__(self) -> None:
        self.statuses: Counter[int | None] = Counter()
        self.first_byte = Distribution(REQUEST_BOUNDS)
        self.duration = Distribution(REQUEST_BOUNDS)

    def __iadd__(self, other: "Endpoint") -> Self:
        self.statuses += other.statuses
        self.first_byte += other.first_byte
        self.duration += other.duration
        return self


def status_label(status: int | None) -> str:
    """How a status is called where it is counted."""
    return "none" if status is None else str(status)


class Metrics:
    """A log sink that counts; the savings are told from here as well."""

    def __init__(self, savings: Savings) -> None:
        self.since = datetime.now(UTC)
        self.savings = savings
        self.endpoints: defaultdict[str, Endpoint] = defaultdict(Endpoint)
        self.errors: Counter[str] = Counter()
        self.incomplete = 0
        self.compression = Distribution(COMPRESSION_BOUNDS)
        self.tokens_before = 0
        self.tokens_after = 0
        self.skipped: Counter[str] = Counter()

    @property
    def requests(self) -> int:
        """How many requests have ended."""
        return sum(sum(endpoint.statuses.values()) for endpoint in self.endpoints.values())

    def record_request(self, request: RelayedRequest) -> None:
        """Count a request that has ended."""
        # A WebSocket lasts as long as its client likes, which is no answer's duration.
        is_websocket = request.status == _SWITCHING_PROTOCOLS
        endpoint = self.endpoints["websocket" if is_websocket else endpoint_class(request.path)]
        endpoint.statuses[request.status] += 1
        endpoint.duration.add(request.duration_seconds)
        if request.first_byte_seconds is not None:
            endpoint.first_byte.add(request.first_byte_seconds)
        if request.error is not None:
            self.errors[request.error] += 1
        if not request.complete:
            self.incomplete += 1
        if request.compression_seconds is not None:
            self.compression.add(request.compression_seconds)
        self.savings.add(request)

    def record_compression(self, request_id: str, compressed: CompressedBody) -> None:  # noqa: ARG002 (the port's)
        """Count what was removed from a body."""
        before = compressed.tokens_before
        self.tokens_before += before
        self.tokens_after += before - tokens_saved(compressed)
        if compressed.skipped is not None:
            self.skipped[compressed.skipped] += 1

    def __iadd__(self, other: "Metrics") -> Self:
        self.since = min(self.since, other.since)
        self.savings += other.savings
        for name, endpoint in other.endpoints.items():
            self.endpoints[name] += endpoint
        self.errors += other.errors
        self.incomplete += other.incomplete
        self.compression += other.compression
        self.tokens_before += other.tokens_before
        self.tokens_after += other.tokens_after
        self.skipped += other.skipped
        return self

    def close(self) -> None:
        """Nothing is queued."""


@frozen
class Counts:
    """What one process or several have counted up to a moment."""

    metrics: Metrics
    in_flight: int
    dropped: int
    """Log entries that found no room."""

    def __add__(self, other: "Counts") -> "Counts":
        metrics = Metrics(Savings())
        metrics += self.metrics
        metrics += other.metrics
        return Counts(metrics, self.in_flight + other.in_flight, self.dropped + other.dropped)


class CountsNow(Protocol):
    """Whoever knows the counts of the service."""

    def now(self) -> Counts:
        """All that was counted."""
        ...

    def processes(self) -> Iterable[Metric]:
        """What the processes that counted use of the machine."""
        ...


class OwnCounts:
    """The counts of a process that serves alone."""

    def __init__(
        self, metrics: Metrics, *, in_flight: Callable[[], int], dropped: Callable[[], int]
    ) -> None:
        self._metrics = metrics
        self._in_flight = in_flight
        self._dropped = dropped

    def now(self) -> Counts:
        """As they stand, not copied."""
        return Counts(self._metrics, self._in_flight(), self._dropped())

    def processes(self) -> Iterable[Metric]:
        """Of this process alone."""
        return PROCESS_COLLECTOR.collect()
