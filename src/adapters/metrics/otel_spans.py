"""A span of OpenTelemetry for each relayed request; needs the extra `otel`.

A span continues the trace that the caller's `traceparent` names, or begins
one, and its own id goes upstream in that field's place (W3C Trace Context
section 3.4). It holds counts and names from small sets: no path, no query, no
content, no key.
"""

from collections.abc import Iterator, Mapping
from threading import Thread

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ...domain.bodies.compressed_body import CompressedBody
from ...domain.bodies.compressed_frames import CompressedFrames
from ...domain.bodies.usage import Usage
from ...domain.http.endpoints import endpoint_class
from ...domain.ports import RawHeaders, RelayedRequest
from ...domain.savings.sums import known_model, tokens_saved
from ..inbound.asgi import Application, Receive, Scope, Send, with_headers

_NAME = "openai-proxy"
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_TRACE_FIELDS = (b"traceparent", b"tracestate")
_CLOSE_SECONDS = 1.0

_PROPAGATOR = TraceContextTextMapPropagator()


def exporting_provider() -> TracerProvider:
    """Spans go where the OTEL_ variables of the environment say, in batches, on a thread."""
    named = OTELResourceDetector().detect().attributes
    resource = Resource.create({"service.name": named.get("service.name", _NAME)})
    # At exit the SDK would wait half a minute for a collector that does not answer.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class OpenTelemetrySpans:
    """The spans of all requests, recorded by one provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(_NAME)

    def around(self, relay: Application) -> Application:
        """`relay` with each of its requests inside a span."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            parent = _PROPAGATOR.extract(_trace_fields(scope["headers"]))
            with self._tracer.start_as_current_span(
                _span_name(scope),
                context=parent,
                kind=SpanKind.SERVER,
                # An exception's text may hold anything; what it was stands in error.type.
                record_exception=False,
                set_status_on_exception=False,
            ):
                headers = _with_own_trace_fields(scope["headers"])
                await relay(with_headers(scope, headers), receive, send)

        return traced

    def record_request(self, request: RelayedRequest) -> None:
        """Say in the span of the request, which is still the current one, what became of it."""
        span = trace.get_current_span()
        if span.is_recording():
            _describe(span, request)

    def record_compression(self, request_id: str, compressed: CompressedBody) -> None:
        """The request itself brings it along."""

    def close(self) -> None:
        """Send what is queued, for a bounded time."""
        shutdown = Thread(target=self._provider.shutdown, name="span export", daemon=True)
        shutdown.start()
        shutdown.join(_CLOSE_SECONDS)


def _span_name(scope: Scope) -> str:
    method = scope.get("method", "GET")
    endpoint = endpoint_class(scope["raw_path"].decode("latin-1"))
    return f"{method if method in _METHODS else 'HTTP'} {endpoint}"


def _trace_fields(headers: RawHeaders) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name in _TRACE_FIELDS:
            found.setdefault(name.decode(), []).append(value.decode("latin-1"))
    return found


def _with_own_trace_fields(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The fields of a request, those of its trace replaced by the current span's."""
    own: dict[str, str] = {}
    _PROPAGATOR.inject(own)
    kept = [field for field in headers if field[0] not in _TRACE_FIELDS]
    return [*kept, *((name.encode(), value.encode("latin-1")) for name, value in own.items())]


def _describe(span: Span, request: RelayedRequest) -> None:
    span.set_attributes(dict(_attributes(request)))
    if request.error is not None or (request.status or 0) >= 500:
        span.set_status(StatusCode.ERROR)


def _attributes(request: RelayedRequest) -> Iterator[tuple[str, str | int | float]]:
    method = request.method
    yield "http.request.method", method if method in _METHODS else "_OTHER"
    yield "openai_proxy.endpoint", endpoint_class(request.path)
    yield "http.request.body.size", request.request_bytes
    yield "http.response.body.size", request.response_bytes
    yield "openai_proxy.complete", request.complete
    if request.status is not None:
        yield "http.response.status_code", request.status
    if request.error is not None:
        yield "error.type", request.error
    if request.first_byte_seconds is not None:
        yield "openai_proxy.first_byte_seconds", request.first_byte_seconds
    if request.compression_seconds is not None:
        yield "openai_proxy.compression.seconds", request.compression_seconds
    if request.compression is not None:
        yield from _compression(request.compression)
    if request.usage is not None:
        yield from _usage(request.usage)


def _compression(
    compressed: CompressedBody | CompressedFrames,
) -> Iterator[tuple[str, str | int | float]]:
    yield "openai_proxy.compression.status", compressed.status
    if compressed.skipped is not None:
        yield "openai_proxy.compression.reason", compressed.skipped
    if texts := compressed.text_count:
        before = compressed.tokens_before
        after = before - tokens_saved(compressed)
        yield "openai_proxy.compression.texts", texts
        yield "openai_proxy.compression.tokens_before", before
        yield "openai_proxy.compression.tokens_after", after
        yield "openai_proxy.compression.billed_ratio", after / before if before else 1.0


def _usage(usage: Usage) -> Iterator[tuple[str, str | int | float]]:
    # The names are those of OpenTelemetry's conventions for generative AI.
    yield "gen_ai.response.model", known_model(usage.model, {})
    yield "gen_ai.usage.input_tokens", usage.input_tokens
    yield "gen_ai.usage.cache_read.input_tokens", usage.cached_tokens
    yield "gen_ai.usage.cache_creation.input_tokens", usage.cache_write_tokens
    yield "gen_ai.usage.output_tokens", usage.output_tokens
