"""The way of a request, from the client to the upstream and back."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator

from attrs import field, frozen, mutable

from ...domain.bodies.answer_fields import compression_fields
from ...domain.bodies.compressed_body import CompressedBody
from ...domain.bodies.usage import Usage, UsageReader
from ...domain.control.policy import MIB, CompressionPolicy
from ...domain.control.request_control import ControlLimits, controlled_policy
from ...domain.errors import ProxyError
from ...domain.http.access import AccessPolicy
from ...domain.http.headers import request_headers
from ...domain.http.request_head import RequestHead
from ...domain.http.target import compressible_endpoint, upstream_target
from ...domain.http.tracing import trace_id
from ...domain.ports import (
    Compressor,
    LogSink,
    RelayedRequest,
    UpstreamClient,
    UpstreamRequest,
    UpstreamResponse,
)
from .asgi import Receive, Scope, Send, request_head
from .downstream import ClientLeft, Downstream
from .traffic import Traffic

_log = logging.getLogger(__name__)


@frozen
class RelaySettings:
    """What the relay needs to know, fixed at start."""

    base_path: bytes
    """Path of the upstream's base URL, without a slash at its end."""
    via: bytes
    """The pseudonym under which this proxy appears in Via (RFC 9110 section 7.6.3)."""
    policy: CompressionPolicy = field(factory=CompressionPolicy)
    control: ControlLimits = field(factory=ControlLimits)
    max_body_bytes: int = 4 * MIB
    """Longer bodies are never compressed, and never held in memory."""
    max_request_bytes: int | None = None
    max_concurrency: int = 1000
    keep_alive_seconds: float = 0
    """Silence after which an event stream gets a comment; 0 never."""


@mutable
class _Exchange:
    """One request under way, and what becomes known of it."""

    head: RequestHead
    downstream: Downstream
    request_id: str
    started_at: float
    started: float
    compressed: CompressedBody | None = None
    compression_seconds: float | None = None
    error: str | None = None
    usage_reader: UsageReader | None = None

    @property
    def first_byte_seconds(self) -> float | None:
        """How long the client waited for the answer to begin."""
        began_at = self.downstream.began_at
        return None if began_at is None else began_at - self.started

    @property
    def usage(self) -> Usage | None:
        """What the answer says was billed."""
        return None if self.usage_reader is None else self.usage_reader.usage()


class Relay:
    """The raw ASGI application that stands for the whole API.

    A Litestar route with its Request object would cost several times what the
    relaying does (see the benchmarks), hence ASGI messages as they are.
    """

    def __init__(
        self,
        settings: RelaySettings,
        access: AccessPolicy,
        upstream: UpstreamClient,
        compression: Compressor,
        log: LogSink,
        *,
        traffic: Traffic,
    ) -> None:
        self._settings = settings
        self._access = access
        self._upstream = upstream
        self._compression = compression
        self._log = log
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Relay one request, whatever becomes of it, and take note of it."""
        head = request_head(scope)
        downstream = Downstream(
            scope, receive, send, max_body_bytes=self._settings.max_request_bytes
        )
        exchange = _Exchange(
            head,
            downstream,
            request_id=self._traffic.enter(),
            started_at=time.time(),
            started=time.monotonic(),
        )
        try:
            await self._relay(exchange)
        except ProxyError as error:
            exchange.error = error.code
            await downstream.refuse(error)
        except ClientLeft:
            pass
        except Exception:  # noqa: BLE001 whatever it was, the client gets an answer
            _log.exception("A request could not be relayed")
            exchange.error = ProxyError.code
            await downstream.refuse(ProxyError("The proxy failed to relay this request."))
        except asyncio.CancelledError:
            # The watcher cancels when the client leaves; anybody else means it.
            if not downstream.has_left:
                raise
        finally:
            self._traffic.leave()
            downstream.close()
            self._record(exchange)

    async def _relay(self, exchange: _Exchange) -> None:
        self._traffic.check_room(self._settings.max_concurrency)
        head = exchange.head
        credentials = self._access.upstream_credentials(head)
        policy = controlled_policy(self._settings.policy, head, self._settings.control)
        target = upstream_target(self._settings.base_path, head.raw_path, head.query)
        headers = request_headers(head.headers, via=self._settings.via)
        body = await self._body(exchange, policy)
        if exchange.compressed is not None:
            exchange.downstream.own_fields = compression_fields(policy, exchange.compressed)
        request = UpstreamRequest(
            method=head.method,
            target=target,
            headers=credentials.apply_to(headers),
            body=body,
            content_length=None if isinstance(body, bytes) else head.content_length,
        )
        async with self._upstream.send(request) as answer:
            reader = exchange.usage_reader = _usage_reader(head, answer)
            await exchange.downstream.relay(
                answer,
                keep_alive_seconds=self._settings.keep_alive_seconds,
                on_sent=None if reader is None else reader.add,
            )

    async def _body(
        self, exchange: _Exchange, policy: CompressionPolicy
    ) -> bytes | AsyncIterator[bytes] | None:
        head, downstream = exchange.head, exchange.downstream
        if not head.has_body:
            downstream.expect_no_body()
            return None
        endpoint = compressible_endpoint(head.method, head.raw_path)
        if endpoint is None or not policy.covers(endpoint):
            return await _as_it_comes(head, downstream)
        if head.body_fixed_by is not None:
            exchange.compressed = CompressedBody.untouched(head.body_fixed_by)
            return await _as_it_comes(head, downstream)
        body = await downstream.read_body(self._settings.max_body_bytes)
        if not isinstance(body, bytes):
            exchange.compressed = CompressedBody.untouched("body_too_large")
            return body
        began = time.monotonic()
        exchange.compressed = await self._compression.compress(body, endpoint, policy)
        exchange.compression_seconds = time.monotonic() - began
        return exchange.compressed.body

    def _record(self, exchange: _Exchange) -> None:
        head, downstream = exchange.head, exchange.downstream
        if exchange.compressed is not None:
            self._log.record_compression(exchange.request_id, exchange.compressed)
        self._log.record_request(
            RelayedRequest(
                request_id=exchange.request_id,
                started_at=exchange.started_at,
                duration_seconds=time.monotonic() - exchange.started,
                method=head.method,
                path=head.raw_path.decode("latin-1"),
                status=downstream.status,
                request_bytes=downstream.bytes_received,
                response_bytes=downstream.bytes_sent,
                complete=downstream.is_answered,
                error=exchange.error,
                compression=exchange.compressed,
                trace=trace_id(head.value(b"x-cloud-trace-context"), head.value(b"traceparent")),
                first_byte_seconds=exchange.first_byte_seconds,
                compression_seconds=exchange.compression_seconds,
                usage=exchange.usage,
            )
        )


async def _as_it_comes(head: RequestHead, downstream: Downstream) -> bytes | AsyncIterator[bytes]:
    # Bytes go on with their length; what came in chunks goes on in chunks.
    if head.content_length is None:
        return downstream.stream_body()
    return await downstream.begin_body()


def _usage_reader(head: RequestHead, answer: UpstreamResponse) -> UsageReader | None:
    """What reads the copy of an answer that is billed by tokens."""
    if answer.status != 200 or compressible_endpoint(head.method, head.raw_path) is None:
        return None
    codings = [value for name, value in answer.headers if name.lower() == b"content-encoding"]
    return UsageReader(b",".join(codings))
