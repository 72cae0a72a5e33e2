"""An `HttpxUpstream` in the hands of a test: either transport, either event loop."""

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import Any, cast

import httpx
import uvloop
from attrs import frozen

from openai_proxy.adapters.upstream.httpx_upstream import HttpxUpstream
from openai_proxy.adapters.upstream.native_transport import NativeTransport
from openai_proxy.adapters.upstream.stock_transport import httpx_transport
from openai_proxy.adapters.upstream.tls import upstream_ssl_context
from openai_proxy.domain.ports import RawHeaders, UpstreamRequest, UpstreamResponse, pushing

Run = Callable[[Coroutine[Any, Any, Any]], Any]
WholeAnswer = tuple[int, list[tuple[bytes, bytes]], bytes]
Exchange = Callable[..., WholeAnswer]
Connect = Callable[..., AbstractAsyncContextManager[HttpxUpstream]]

_LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def on_loop(name: str) -> Run:
    """Runs a coroutine on a new event loop of that kind."""

    def run(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=_LOOPS[name]) as runner:
            return runner.run(main)

    return run


def transport(
    name: str, base_url: str, ssl_context: ssl.SSLContext | None = None, **limits: Any
) -> httpx.AsyncBaseTransport:
    trusted = ssl_context or _public_authorities(name)
    bounds = httpx.Limits(keepalive_expiry=30, **limits)
    if name == "native":
        return NativeTransport(trusted, bounds)
    if name == "iterated":
        return Iterated(trusted, bounds)
    return httpx_transport(base_url, trusted, bounds)


class Iterated(NativeTransport):
    """The native transport to whoever knows httpx's interface alone."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        response.stream = _Iterated(cast("httpx.AsyncByteStream", response.stream))
        return response


@frozen
class _Iterated(httpx.AsyncByteStream):
    stream: httpx.AsyncByteStream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self.stream)

    async def aclose(self) -> None:
        await self.stream.aclose()


@cache
def _public_authorities(_: str) -> ssl.SSLContext:
    """One context for each transport, since reading certificates takes 50 ms and httpcore sets ALPN."""
    return upstream_ssl_context()


@asynccontextmanager
async def client_of(
    base_url: str,
    transport: httpx.AsyncBaseTransport,
    *,
    connect_timeout: float = 2,
    read_timeout: float = 5,
) -> AsyncGenerator[HttpxUpstream]:
    client = HttpxUpstream(
        base_url, transport, connect_timeout=connect_timeout, read_timeout=read_timeout
    )
    try:
        yield client
    finally:
        await client.aclose()


def request(
    method: str = "POST",
    target: bytes = b"/v1/chat/completions",
    headers: RawHeaders = (),
    **body: Any,
) -> UpstreamRequest:
    return UpstreamRequest(method, target, headers, **body)


async def body_of(client: HttpxUpstream, request: UpstreamRequest) -> bytes:
    async with client.send(request) as answer:
        return await whole_body(answer)


async def whole_body(answer: UpstreamResponse) -> bytes:
    pieces: list[bytes] = []
    await take_each(answer, pieces.append)
    return b"".join(pieces)


async def take_each(answer: UpstreamResponse, take: Callable[[bytes], None]) -> None:
    """Take each piece of the body as the product does: pushed, where the transport offers that."""
    if (body := pushing(answer.body)) is not None:
        await body.push(take)
        return
    async for piece in answer.body:
        take(piece)


async def pieces(*parts: bytes | Exception, rest_seconds: float = 0) -> AsyncIterator[bytes]:
    """A body that arrives piece by piece; an exception among them is raised."""
    for part in parts:
        await asyncio.sleep(rest_seconds)
        if isinstance(part, Exception):
            raise part
        yield part


def open_descriptors() -> int:
    """Of this process, the scripted upstream's included."""
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 (a count needs no paths)
