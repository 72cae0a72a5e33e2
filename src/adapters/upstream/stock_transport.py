"""httpx's own transport made safe, for those who need an outgoing HTTP proxy or HTTP/2.

A task that is cancelled while it waits for a connection, makes one or gives one
back leaves httpcore 1.0.9's pool with a slot that is never freed. So an exchange
has a task of its own here, which is cancelled once at most, and only in the
steps that httpcore cleans up after.

What it cannot do as the native one does: an early answer is seen once the
request's body has been sent or refused, and bytes that follow an answer within
the same read are taken for the next one.
"""

import asyncio
import importlib.util
import ssl
import urllib.request
from collections.abc import AsyncIterator
from typing import Any, cast

import h11
import httpx

from .native_transport import DEFAULT_LIMITS
from .raw_messages import RawRequest
from .tls import upstream_ssl_context

_INTERRUPTIBLE_STEPS = frozenset(
    {
        "send_request_headers",
        "send_request_body",
        "receive_response_headers",
        "receive_response_body",
    }
)


def httpx_transport(
    base_url: str,
    ssl_context: ssl.SSLContext | None = None,
    limits: httpx.Limits = DEFAULT_LIMITS,
) -> "StockTransport":
    """The stock transport, by way of the proxy that the environment names for `base_url`.

    It speaks HTTP/2 to an upstream that does, if the package h2 is installed.
    """
    return StockTransport(
        httpx.AsyncHTTPTransport(
            verify=ssl_context or upstream_ssl_context(),
            limits=limits,
            proxy=_outgoing_proxy(httpx.URL(base_url)),
            http2=importlib.util.find_spec("h2") is not None,
        )
    )


class StockTransport(httpx.AsyncBaseTransport):
    """httpx's transport, whose callers may be cancelled at any point."""

    def __init__(self, transport: httpx.AsyncHTTPTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return as soon as the head of the answer is there."""
        exchange = _Exchange(self._transport, request)
        try:
            return await exchange.response()
        except BaseException:
            await exchange.aclose()
            raise

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


class _Exchange(httpx.AsyncByteStream):
    """One exchange in a task of its own, and the body of its answer."""

    def __init__(self, transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> None:
        self._transport = transport
        self._arrivals: asyncio.Queue[httpx.Response | bytes | BaseException | None]
        self._arrivals = asyncio.Queue()
        """The head, the pieces of the body, and the end: None or what went wrong."""
        self._is_interruptible = False
        self._is_abandoned = False
        self._is_at_end = False
        self._task = asyncio.create_task(self._run(self._prepared(request)))

    async def response(self) -> httpx.Response:
        """The answer, its body yet to come."""
        response = cast("httpx.Response", await self._next_arrival())
        return httpx.Response(
            status_code=response.status_code,
            headers=response.headers,
            stream=self,
            extensions=response.extensions,
        )

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next piece of the answer's body."""
        if self._is_at_end:
            raise StopAsyncIteration
        return cast("bytes", await self._next_arrival())

    async def aclose(self) -> None:
        """End the exchange; unless it was complete, that closes the connection.

        One that is still without a connection ends as soon as it has one, or
        has none to be had; nobody needs to wait for that.
        """
        self._is_at_end = self._is_abandoned = True
        if self._is_interruptible:
            self._is_interruptible = False
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _next_arrival(self) -> httpx.Response | bytes:
        arrival = await self._arrivals.get()
        self._arrivals.task_done()
        if isinstance(arrival, httpx.Response | bytes):
            return arrival
        self._is_at_end = True
        raise arrival or StopAsyncIteration

    async def _run(self, request: httpx.Request) -> None:
        try:
            await self._relay(await self._transport.handle_async_request(request))
        except asyncio.CancelledError as error:
            self._arrivals.put_nowait(error)
            raise
        except h11.LocalProtocolError as error:  # httpcore lets it out while a body is sent
            self._arrivals.put_nowait(httpx.LocalProtocolError(str(error)))
        except Exception as error:  # noqa: BLE001 (it is raised where the answer is awaited)
            self._arrivals.put_nowait(error)
        else:
            self._arrivals.put_nowait(None)

    async def _relay(self, response: httpx.Response) -> None:
        stream = cast("httpx.AsyncByteStream", response.stream)
        try:
            self._arrivals.put_nowait(response)
            async for piece in stream:
                self._arrivals.put_nowait(piece)
                await self._arrivals.join()
        finally:
            self._is_interruptible = False
            await stream.aclose()

    async def _follow(self, event: str, _: object) -> None:
        """Learn from httpcore's `trace` extension which step the exchange is at."""
        _, step, phase = event.split(".")
        if step in _INTERRUPTIBLE_STEPS:
            self._is_interruptible = phase == "started"
            if self._is_interruptible and self._is_abandoned:
                raise asyncio.CancelledError

    def _prepared(self, request: httpx.Request) -> httpx.Request:
        extensions: dict[str, Any] = {**request.extensions, "trace": self._follow}
        # Where a proxy is asked for a tunnel, httpcore would take the extension
        # for the tunnel's target; as part of the URL it is right everywhere.
        target: bytes = extensions.pop("target", request.url.raw_path)
        return RawRequest(
            method=request.method,
            url=_UrlWithTarget(request.url, target),
            headers=request.headers,
            stream=cast("httpx.AsyncByteStream", request.stream),
            extensions=extensions,
        )


class _UrlWithTarget(httpx.URL):
    """A URL whose path and query are sent as the bytes that were given."""

    def __init__(self, url: httpx.URL, target: bytes) -> None:
        super().__init__(url)
        self._target = target

    @property
    def raw_path(self) -> bytes:
        return self._target


def _outgoing_proxy(url: httpx.URL) -> str | None:
    if urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(url.scheme) or proxies.get("all")
