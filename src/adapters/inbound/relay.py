"""The way of a request, from the client to the upstream and back."""

import time
from collections.abc import AsyncIterator

from attrs import frozen, mutable

from ...domain.bodies.answer_fields import compression_fields
from ...domain.bodies.compressed_body import CompressedBody
from ...domain.bodies.usage import Usage, UsageReader
from ...domain.control.policy import CompressionPolicy
from ...domain.control.request_control import controlled_policy
from ...domain.http.headers import request_headers, response_headers
from ...domain.http.request_head import RequestHead
from ...domain.http.target import compressible_endpoint, upstream_target
from ...domain.ports import RawHeaders, UpstreamClient, UpstreamRequest, UpstreamResponse
from .asgi import Receive, Scope, Send, request_head
from .downstream import Downstream
from .exchange import Exchange, ExchangeRelay


@mutable(kw_only=True)
class _Request(Exchange[Downstream, CompressedBody]):
    """One request under way."""

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


@frozen(eq=False, kw_only=True)
class Relay(ExchangeRelay[_Request]):
    """The raw ASGI application that stands for the whole API.

    A Litestar route with its Request object would cost several times what the
    relaying does (see the benchmarks), hence ASGI messages as they are.
    """

    upstream: UpstreamClient

    def _begin(self, scope: Scope, receive: Receive, send: Send) -> _Request:
        return _Request(
            head=request_head(scope),
            downstream=Downstream(
                scope, receive, send, max_body_bytes=self.settings.max_request_bytes
            ),
            request_id=self.traffic.enter(),
        )

    async def _relay(self, exchange: _Request) -> None:
        self.traffic.check_room(self.settings.max_concurrency)
        head = exchange.head
        credentials = self.access.upstream_credentials(head)
        policy = controlled_policy(self.settings.policy, head, self.settings.control)
        target = upstream_target(self.settings.base_path, head.raw_path, head.query)
        headers = request_headers(head, via=self.settings.via)
        endpoint = compressible_endpoint(head.method, head.raw_path)
        body = await self._body(exchange, endpoint, policy)
        if exchange.compressed is not None:
            self.log.record_compression(exchange.request_id, exchange.compressed)
            exchange.downstream.own_fields = compression_fields(policy, exchange.compressed)
        request = UpstreamRequest(
            method=head.method,
            target=target,
            headers=credentials.apply_to(headers),
            body=body,
            content_length=None if isinstance(body, bytes) else head.content_length,
        )
        async with self.upstream.send(request) as answer:
            await self._relay_back(exchange, answer, is_billed=endpoint is not None)

    async def _relay_back(
        self, exchange: _Request, answer: UpstreamResponse, *, is_billed: bool
    ) -> None:
        is_head = exchange.head.method == "HEAD"
        headers = response_headers(answer.headers, status=answer.status, is_head=is_head)
        if is_billed and answer.status == 200:
            exchange.usage_reader = _usage_reader(headers)
        reader = exchange.usage_reader
        await exchange.downstream.relay(
            answer.status,
            headers,
            answer.body,
            keep_alive_seconds=self.settings.keep_alive_seconds,
            on_sent=None if reader is None else reader.add,
        )

    async def _body(
        self, exchange: _Request, endpoint: str | None, policy: CompressionPolicy
    ) -> bytes | AsyncIterator[bytes] | None:
        head, downstream = exchange.head, exchange.downstream
        if not head.has_body:
            downstream.expect_no_body()
            return None
        if endpoint is None or not policy.covers(endpoint):
            return await _as_it_comes(head, downstream)
        if head.body_fixed_by is not None:
            exchange.compressed = CompressedBody.untouched(head.body_fixed_by)
            return await _as_it_comes(head, downstream)
        body = await downstream.read_body(self.settings.max_body_bytes)
        if not isinstance(body, bytes):
            exchange.compressed = CompressedBody.untouched("body_too_large")
            return body
        began = time.monotonic()
        exchange.compressed = await self.compression.compress(body, endpoint, policy)
        exchange.compression_seconds = time.monotonic() - began
        return exchange.compressed.body


async def _as_it_comes(head: RequestHead, downstream: Downstream) -> bytes | AsyncIterator[bytes]:
    # Bytes go on with their length; what came in chunks goes on in chunks.
    if head.content_length is None:
        return downstream.stream_body()
    return await downstream.begin_body()


def _usage_reader(headers: RawHeaders) -> UsageReader:
    """What reads the copy of an answer with these header fields, names in lower case."""
    codings = [value for name, value in headers if name == b"content-encoding"]
    return UsageReader(b",".join(codings))
