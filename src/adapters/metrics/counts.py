"""What happened since the start, as sums that cost a request next to nothing.

Plain numbers are added up here and turned into Prometheus's form only when it
asks: looking up one labelled counter of its client library costs as much as
counting a whole request in this way. Labels come from small fixed sets, so neither memory nor
the page grows with what callers send.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate

from ...domain.bodies.body_compression import CompressedBody
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

    def buckets(self) -> Iterator[tuple[str, int]]:
        """Each bound and how many values do not exceed it, as Prometheus counts."""
        names = [*map(str, map(float, self._bounds)), "+Inf"]
        return zip(names, accumulate(self._counts), strict=True)


class Endpoint:
    """What happened at one part of the API."""

    __slots__ = ("duration", "first_byte", "statuses")

    def __init__(self) -> None:
        self.statuses: defaultdict[int | None, int] = defaultdict(int)
        self.first_byte = Distribution(REQUEST_BOUNDS)
        self.duration = Distribution(REQUEST_BOUNDS)


class Metrics:
    """A log sink that counts; the savings are told from here as well."""

    def __init__(self, savings: Savings) -> None:
        self.since = datetime.now(UTC)
        self.savings = savings
        self.endpoints: defaultdict[str, Endpoint] = defaultdict(Endpoint)
        self.errors: defaultdict[str, int] = defaultdict(int)
        self.incomplete = 0
        self.compression = Distribution(COMPRESSION_BOUNDS)
        self.tokens_before = 0
        self.tokens_after = 0
        self.skipped: defaultdict[str, int] = defaultdict(int)

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

    def close(self) -> None:
        """Nothing is queued."""
