"""What a span tells of a request, and how it continues the caller's trace."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from tests.log_entries import a_compression, a_request

from openai_proxy.adapters.inbound.asgi import Receive, Scope, Send
from openai_proxy.adapters.metrics.otel_spans import OpenTelemetrySpans
from openai_proxy.adapters.metrics.request_spans import NoSpans
from openai_proxy.app.tracing import wants_traces
from openai_proxy.domain.bodies.usage import Usage
from openai_proxy.domain.ports import RelayedRequest

Headers = list[tuple[bytes, bytes]]

PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
REQUEST = a_request()


def relayed(
    request: RelayedRequest = REQUEST, headers: Sequence[tuple[bytes, bytes]] = ()
) -> tuple[ReadableSpan, Headers]:
    """The span of a request, and the header fields that the relay got to see."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = OpenTelemetrySpans(provider)
    seen: Headers = []

    async def relay(scope: Scope, _: Receive, __: Send) -> None:
        seen.extend(scope["headers"])
        spans.record_request(request)

    async def call() -> None:
        await spans.around(relay)(*a_call(request, headers))

    asyncio.run(call())
    (span,) = exporter.get_finished_spans()
    return span, seen


def a_call(
    request: RelayedRequest, headers: Sequence[tuple[bytes, bytes]]
) -> tuple[Scope, Receive, Send]:
    async def receive() -> Any: ...
    async def send(_: Any) -> None: ...

    scope = {"method": request.method, "raw_path": request.path.encode(), "headers": [*headers]}
    return scope, receive, send


def fields(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


class TestTheTrace:
    def test_a_span_continues_the_callers_trace_and_goes_upstream_as_the_parent(self) -> None:
        state = (b"tracestate", b"vendor=1")
        span, seen = relayed(headers=[(b"accept", b"*/*"), (b"traceparent", PARENT), state])

        assert span.context is not None
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"
        assert f"{span.context.trace_id:032x}" == "4bf92f3577b34da6a3ce929d0e0e4736"
        own = b"00-4bf92f3577b34da6a3ce929d0e0e4736-%016x-01" % span.context.span_id
        assert seen == [(b"accept", b"*/*"), (b"traceparent", own), state]

    @pytest.mark.parametrize("value", [None, b"nonsense", b"\xff", PARENT.replace(b"4", b"G")])
    def test_without_a_sound_one_a_new_trace_begins(self, value: bytes | None) -> None:
        given = [] if value is None else [(b"traceparent", value), (b"tracestate", b"a=b")]

        span, seen = relayed(headers=given)

        assert span.parent is None
        assert span.context is not None
        assert fields(seen, b"traceparent") == [
            b"00-%032x-%016x-%02x"
            % (span.context.trace_id, span.context.span_id, span.context.trace_flags)
        ]
        assert fields(seen, b"tracestate") == []

    def test_whoever_asked_for_no_traces_sees_no_field_change(self) -> None:
        async def relay(*_: Any) -> None: ...

        assert NoSpans().around(relay) is relay

    @pytest.mark.parametrize(
        ("environment", "wanted"),
        [
            ({}, False),
            ({"OTEL_SERVICE_NAME": "x"}, False),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, True),
            ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, True),
            ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
            ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
            ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
        ],
    )
    def test_the_usual_variables_switch_it_on(
        self, environment: dict[str, str], *, wanted: bool
    ) -> None:
        assert wants_traces(environment) is wanted


class TestWhatASpanTells:
    def test_method_endpoint_status_ratios_and_counts(self) -> None:
        request = a_request(
            compression=a_compression(),
            compression_seconds=0.02,
            first_byte_seconds=0.3,
            usage=Usage("gpt-4o", 100, 60, 10, 5),
        )

        span, _ = relayed(request)

        assert span.name == "POST chat"
        assert dict(span.attributes or {}) == {
            "http.request.method": "POST",
            "http.request.body.size": 120,
            "http.response.body.size": 4500,
            "http.response.status_code": 200,
            "openai_proxy.endpoint": "chat",
            "openai_proxy.complete": True,
            "openai_proxy.first_byte_seconds": 0.3,
            "openai_proxy.compression.seconds": 0.02,
            "openai_proxy.compression.status": "applied",
            "openai_proxy.compression.texts": 1,
            "openai_proxy.compression.tokens_before": 10,
            "openai_proxy.compression.tokens_after": 6,
            "openai_proxy.compression.billed_ratio": 0.6,
            "gen_ai.response.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.cache_read.input_tokens": 60,
            "gen_ai.usage.cache_creation.input_tokens": 10,
            "gen_ai.usage.output_tokens": 5,
        }
        assert span.status.status_code is StatusCode.UNSET

    @pytest.mark.parametrize(
        ("changes", "is_error"),
        [
            ({"status": 429}, False),
            ({"status": 500}, True),
            ({"status": 502, "error": "upstream_unreachable"}, True),
            ({"status": None}, False),
        ],
    )
    def test_a_failure_of_the_servers_is_one_of_the_span(
        self, changes: dict[str, Any], *, is_error: bool
    ) -> None:
        span, _ = relayed(a_request(**changes))

        assert (span.status.status_code is StatusCode.ERROR) is is_error
        assert not span.events

    @given(st.text(st.characters(codec="utf-8"), min_size=20))
    def test_nothing_that_a_caller_wrote_stands_in_it(self, text: str) -> None:
        request = evolve(
            a_request(compression=a_compression(model=text), usage=Usage(text + " ", 1)),
            method=text,
            path="/" + text,
        )

        span, _ = relayed(request, headers=[(b"authorization", text.encode())])

        assert text not in span.to_json().encode().decode("unicode_escape")
