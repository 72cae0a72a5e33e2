"""What is counted, and what it costs in series."""

import math
from bisect import bisect_right

from hypothesis import given
from hypothesis import strategies as st
from tests.log_entries import a_compression, a_request

from openai_proxy.adapters.metrics.counts import REQUEST_BOUNDS, Distribution, Metrics
from openai_proxy.domain.http.endpoints import ENDPOINT_CLASSES, OTHER, endpoint_class
from openai_proxy.domain.savings.sums import Savings


class TestADistribution:
    @given(st.lists(st.floats(0, 1000) | st.sampled_from(REQUEST_BOUNDS)))
    def test_each_bucket_counts_what_does_not_exceed_its_bound(self, values: list[float]) -> None:
        distribution = Distribution(REQUEST_BOUNDS)
        for value in values:
            distribution.add(value)

        buckets = {float(bound): count for bound, count in distribution.buckets()}

        assert buckets == {
            bound: bisect_right(sorted(values), bound) for bound in [*REQUEST_BOUNDS, math.inf]
        }
        assert math.isclose(distribution.sum, sum(values))


class TestEndpointClasses:
    @given(st.sampled_from(sorted(ENDPOINT_CLASSES)), st.sampled_from(["", "/x", "/x/y?z", "/"]))
    def test_the_version_and_what_follows_do_not_matter(self, name: str, rest: str) -> None:
        assert endpoint_class(f"/v1/{name}{rest}") == endpoint_class(f"/{name}{rest}") == name

    @given(st.text())
    def test_any_path_has_one_of_a_few(self, path: str) -> None:
        assert endpoint_class(path) in ENDPOINT_CLASSES | {OTHER}


class TestCounting:
    def test_a_websocket_is_no_request_of_its_endpoint(self) -> None:
        metrics = Metrics(Savings())

        metrics.record_request(a_request(path="/v1/responses", status=101))
        metrics.record_request(a_request(path="/v1/responses", status=401))

        assert {name: dict(e.statuses) for name, e in metrics.endpoints.items()} == {
            "websocket": {101: 1},
            "responses": {401: 1},
        }

    def test_tokens_after_are_those_that_were_sent(self) -> None:
        metrics = Metrics(Savings())
        applied, shadow = a_compression(), a_compression(is_shadow=True)

        metrics.record_compression("1", applied)
        metrics.record_compression("2", shadow)
        metrics.record_compression("3", a_compression(skipped="failed"))

        assert (metrics.tokens_before, metrics.tokens_after) == (30, 26)
        assert dict(metrics.skipped) == {"failed": 1}
