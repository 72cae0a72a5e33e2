"""The transport of httpx's own made safe, for those who need an outgoing HTTP proxy or HTTP/2.

Its engine httpcore is spoken to directly. A task that is cancelled while it
waits for a connection, makes one or gives one back leaves httpcore 1.0.9's pool
with a slot that is never freed. So an exchange has a task of its own here, which
is cancelled only in the steps that httpcore cleans up after.

httpcore reads once all of the request has been sent. An answer that comes
earlier and that the rest cannot change breaks the upload off; any other waits
for its end.
"""

import asyncio
import importlib.util
import ssl
import urllib.request
from collections.abc import AsyncIterator
from typing import Any, cast

import h11
import httpcore
import httpx

from .native_transport import DEFAULT_LIMITS
from .tls import upstream_ssl_context
from .watched_network import Watch, WatchedNetwork

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
        _Pool(
            ssl_context=ssl_context or upstream_ssl_context(),
            proxy=_outgoing_proxy(httpx.URL(base_url)),
            max_connections=limits.max_connections,
            keepalive_expiry=limits.keepalive_expiry,
            http2=importlib.util.find_spec("h2") is not None,
            network_backend=WatchedNetwork(),
        )
    )


class _Pool(httpcore.AsyncConnectionPool):
    """A pool whose connections never admit to being idle, since they are found by being available.

    For each idle one httpcore 1.0.9 counts all of them, whenever a request begins
    or ends: beside sixty, 17,000 calls of functions a request instead of 3,000.
    """

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        return _NeverIdle(super().create_connection(origin))


class _NeverIdle(httpcore.AsyncConnectionInterface):
    def __init__(self, connection: httpcore.AsyncConnectionInterface) -> None:
        self._connection = connection

    def is_idle(self) -> bool:
        return False

    def is_available(self) -> bool:
        return self._connection.is_available()

    def is_closed(self) -> bool:
        return self._connection.is_closed()

    def has_expired(self) -> bool:
        return self._connection.has_expired()

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return self._connection.can_handle_request(origin)

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        return await self._connection.handle_async_request(request)

    async def aclose(self) -> None:
        await self._connection.aclose()

    def info(self) -> str:
        return self._connection.info()


class StockTransport(httpx.AsyncBaseTransport):
    """httpcore's connections, whose users may be cancelled at any point."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return as soon as the head of the answer is there."""
        stream = _AnswerStream(self._pool, request)
        try:
            return await stream.response()
        except BaseException:
            await stream.aclose()
            raise

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _AnswerStream(httpx.AsyncByteStream):
    """One exchange in a task of its own, and the body of its answer."""

    _watch: Watch

    def __init__(self, pool: httpcore.AsyncConnectionPool, request: httpx.Request) -> None:
        self._pool = pool
        self._arrivals: asyncio.Queue[httpcore.Response | bytes | BaseException | None]
        self._arrivals = asyncio.Queue()
        """The head, the pieces of the body, and the end: None or what went wrong."""
        self._is_answered_early = False
        self._is_interruptible = False
        self._is_abandoned = False
        self._is_at_end = False
        self._task = asyncio.create_task(self._run(self._prepared(request)))

    async def response(self) -> httpx.Response:
        """The answer, its body yet to come."""
        response = await self._next_arrival()
        return httpx.Response(
            status_code=response.status,
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
        piece: bytes = await self._next_arrival()
        return piece

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

    async def _next_arrival(self) -> Any:
        arrival = await self._arrivals.get()
        self._arrivals.task_done()
        if isinstance(arrival, httpcore.Response | bytes):
            return arrival
        self._is_at_end = True
        raise arrival or StopAsyncIteration

    async def _run(self, request: httpcore.Request) -> None:
        try:
            await self._relay(await self._pool.handle_async_request(request))
        except asyncio.CancelledError as error:
            self._arrivals.put_nowait(error)
            raise
        except Exception as error:  # noqa: BLE001 (it is raised where the answer is awaited)
            self._arrivals.put_nowait(_of_httpx(error))
        else:
            self._arrivals.put_nowait(None)

    async def _relay(self, response: httpcore.Response) -> None:
        try:
            self._arrivals.put_nowait(response)
            async for piece in response.aiter_stream():
                # The piece before has been taken, this one is at hand: whoever
                # takes the last one need not wait to hear that it was the last.
                await self._arrivals.join()
                self._arrivals.put_nowait(piece)
        finally:
            self._is_interruptible = False
            await response.aclose()

    async def _follow(self, event: str, info: dict[str, Any]) -> None:
        """Learn from httpcore's `trace` extension which step the exchange is at."""
        _, step, phase = event.split(".")
        if step in _INTERRUPTIBLE_STEPS:
            self._is_interruptible = phase == "started"
            if self._is_interruptible and self._is_abandoned:
                raise asyncio.CancelledError
        match event:
            case "http11.send_request_headers.started":
                self._watch = Watch.begin(info["request"].method.decode("ascii"))
            case "http11.send_request_body.started":
                self._watch.look_out(self._on_early_answer)
            case "http11.send_request_body.complete" | "http11.send_request_body.failed":
                self._watch.stop_looking_out()
                self._pass_over_the_rest_of_the_request()
            case "http11.receive_response_body.complete":
                self._watch.check_end()
            case _:
                pass

    def _pass_over_the_rest_of_the_request(self) -> None:
        if self._is_answered_early and not self._is_abandoned:
            self._task.uncancel()
            # httpcore goes on after this error, and reads what has come.
            raise httpcore.WriteError("the answer came first")

    def _on_early_answer(self) -> None:
        self._is_answered_early = True
        self._task.cancel()

    def _prepared(self, request: httpx.Request) -> httpcore.Request:
        extensions: dict[str, Any] = {**request.extensions, "trace": self._follow}
        # Where a proxy is asked for a tunnel, httpcore would take the extension
        # for the tunnel's target; as part of the URL it is right everywhere.
        target: bytes = extensions.pop("target", request.url.raw_path)
        return httpcore.Request(
            request.method,
            _of_httpcore(request.url, target),
            headers=request.headers.raw,
            content=cast("httpx.AsyncByteStream", request.stream),
            extensions=extensions,
        )


def _of_httpcore(url: httpx.URL, target: bytes) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=target)


def _of_httpx(error: Exception) -> Exception:
    """The error of httpx that has the same name, if it is one of the engine's."""
    name = type(error).__name__
    # h11's own gets out of httpcore while a body is sent.
    if isinstance(error, h11.LocalProtocolError) or getattr(httpcore, name, None) is type(error):
        named_alike: Exception = getattr(httpx, name)(str(error))
        named_alike.__cause__ = error.__context__  # httpcore's pool takes `__cause__` away
        return named_alike
    return error


def _outgoing_proxy(url: httpx.URL) -> httpcore.Proxy | None:
    if urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    address = proxies.get(url.scheme) or proxies.get("all")
    if address is None:
        return None
    proxy = httpx.Proxy(address)
    if proxy.url.scheme.startswith("socks"):
        importlib.import_module("socksio")  # else it would be missed at the first request
    return httpcore.Proxy(_of_httpcore(proxy.url, b"/"), auth=proxy.raw_auth)
