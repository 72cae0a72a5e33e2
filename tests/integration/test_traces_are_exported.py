"""With the extra `otel` and its variables set, each request becomes a span at the collector."""

from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.http_fields import values_of
from tests.raw_client import connected
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import ScriptedUpstream, answer, receive
from tests.waiting import wait_until

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = b"00-" + TRACE + b"-00f067aa0ba902b7-01"
CHAT = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "canary-text"}]}'


@pytest.fixture(scope="module")
def collector() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as collector:
        collector.otherwise_plays(receive(), answer(200))
        yield collector


@pytest.fixture(scope="module")
def traced(start_proxy: StartProxy, collector: ScriptedUpstream) -> RunningProxy:
    return start_proxy(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{collector.address}",
        OTEL_BSP_SCHEDULE_DELAY="50",
    )


def ask(proxy: RunningProxy, target: bytes) -> None:
    fields = [(b"Traceparent", PARENT), (b"Authorization", b"Bearer canary-key")]
    with connected(proxy.address) as client:
        client.ask(b"POST", target, fields, CHAT)


def test_the_collector_gets_a_span_and_the_upstream_its_id(
    traced: RunningProxy, upstream: ScriptedUpstream, collector: ScriptedUpstream
) -> None:
    ask(traced, b"/v1/chat/completions?key=canary-query")
    wait_until(lambda: any(export.complete for export in collector.requests))

    exported = bytes(collector.requests[0].body)
    (span,) = (
        span
        for resource in ExportTraceServiceRequest.FromString(exported).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )
    assert (span.name, span.trace_id.hex().encode()) == ("POST chat", TRACE)
    own = b"00-%s-%s-01" % (TRACE, span.span_id.hex().encode())
    assert values_of(upstream.requests[0].headers, b"traceparent") == [own]
    assert b"openai-proxy" in exported
    assert b"canary" not in exported


def test_a_collector_that_is_gone_holds_up_neither_requests_nor_the_end(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy(
        OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9"
    )
    ask(proxy, b"/v1/chat/completions")

    assert len(upstream.requests) == 1
    assert proxy.terminate(timeout_seconds=9.8) in (0, -15, 143)


def test_without_those_variables_traceparent_passes_as_it_came(
    proxy: RunningProxy, upstream: ScriptedUpstream
) -> None:
    ask(proxy, b"/v1/chat/completions")

    assert values_of(upstream.requests[0].headers, b"traceparent") == [PARENT]
