"""The metrics in Prometheus's text format."""

from collections.abc import Callable, Iterator, Mapping

from attrs import asdict
from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from ...domain.savings.prices import PriceList
from ...domain.savings.sums import Account, Bill, Money
from .counts import Counts, CountsNow, Metrics, status_label

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_PREFIX = "openai_proxy_"


class PrometheusPage(Collector):
    """All metrics as they are at the moment."""

    def __init__(self, counts: CountsNow, prices: PriceList | None) -> None:
        self._counts = counts
        self._prices = prices

    def render(self) -> bytes:
        """The page."""
        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """The metrics one by one."""
        counts = self._counts.now()
        yield from _requests(counts)
        yield from _compression(counts.metrics)
        yield from _billed(counts.metrics.savings.models)
        if self._prices is not None:
            yield from _money(counts.metrics.savings.money(self._prices))
        yield _counter("log_entries_dropped", "Log entries that found no room.", counts.dropped)
        yield from self._counts.processes()


def _requests(counts: Counts) -> Iterator[Metric]:
    metrics = counts.metrics
    requests = _labelled("requests", "Requests that have ended.", "endpoint", "status")
    first_byte = _histogram("first_byte_seconds", "Time until an answer began.", "endpoint")
    duration = _histogram("request_seconds", "Time until an answer ended.", "endpoint")
    for name, endpoint in metrics.endpoints.items():
        for status, count in endpoint.statuses.items():
            requests.add_metric([name, status_label(status)], count)
        first_byte.add_metric([name], [*endpoint.first_byte.buckets()], endpoint.first_byte.sum)
        duration.add_metric([name], [*endpoint.duration.buckets()], endpoint.duration.sum)
    yield requests
    yield first_byte
    yield duration
    yield _gauge("requests_in_flight", "Requests under way.", counts.in_flight)
    yield _counter(
        "incomplete_requests", "Requests whose client did not get all.", metrics.incomplete
    )
    errors = _labelled("errors", "Errors that the proxy answered itself, by code.", "code")
    for code, count in metrics.errors.items():
        errors.add_metric([code], count)
    yield errors


def _compression(metrics: Metrics) -> Iterator[Metric]:
    seconds = _histogram("compression_seconds", "Time a request waited for its compression.")
    seconds.add_metric([], [*metrics.compression.buckets()], metrics.compression.sum)
    yield seconds
    yield _counter("tokens_before", "Tokens of texts before compression.", metrics.tokens_before)
    yield _counter("tokens_after", "Tokens of the same texts as sent.", metrics.tokens_after)
    skipped = _labelled("compression_skipped", "Bodies left unchanged, by reason.", "reason")
    for reason, count in metrics.skipped.items():
        skipped.add_metric([reason], count)
    yield skipped


def _billed(models: Mapping[str, Account]) -> Iterator[Metric]:
    answers = _labelled("billed_answers", "Answers that said what was billed.", "model")
    for model, account in models.items():
        answers.add_metric([model], account.answers)
    yield answers
    yield _tokens(
        "billed_tokens", "Tokens that answers said were billed.", models, lambda a: a.billed
    )
    yield _tokens(
        "supposed_tokens",
        "Tokens those answers would have been billed for without compression, as supposed.",
        models,
        lambda account: account.without_compression,
    )


def _money(money: Money) -> Iterator[Metric]:
    billed, saved = float(money.billed.total), float(money.saved.total)
    yield _gauge("billed_usd", "Cost of the answers at the given prices.", billed)
    yield _gauge("saved_usd", "What compression saved; negative if it lost.", saved)


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(_PREFIX + name, meaning, value=value)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, meaning, value=value)


def _labelled(name: str, meaning: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(_PREFIX + name, meaning, labels=labels)


def _histogram(name: str, meaning: str, *labels: str) -> HistogramMetricFamily:
    return HistogramMetricFamily(_PREFIX + name, meaning, labels=labels)


def _tokens(
    name: str, meaning: str, models: Mapping[str, Account], bill_of: Callable[[Account], Bill]
) -> Metric:
    tokens = _labelled(name, meaning, "model", "kind")
    for model, account in models.items():
        for kind, count in asdict(bill_of(account)).items():
            tokens.add_metric([model, kind], count)
    return tokens
