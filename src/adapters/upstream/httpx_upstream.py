"""The API that is proxied, reached through an httpx transport.

Transports are spoken to directly: `httpx.AsyncClient` follows, decodes, keeps
cookies (in time quadratic in the number of header fields) and re-encodes paths.
"""

import errno
from collections.abc import AsyncIterable, AsyncIterator
from types import TracebackType
from typing import cast

import httpx

from ...domain.errors import (
    BadRequest,
    Overloaded,
    ProxyError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from ...domain.ports import UpstreamRequest, UpstreamResponse
from .raw_messages import RawFields, RawRequest

_NO_BODY = httpx.ByteStream(b"")
_FINAL_STATUSES = range(200, 600)
"""RFC 9110 section 15; not every transport looks at it."""

_NO_CONNECTION = "No connection to the upstream is free; try again."
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL})
"""What a system answers that has no descriptor, or no port, left for one more connection."""

_ERRORS: tuple[tuple[type[httpx.HTTPError], type[ProxyError], str], ...] = (
    (httpx.PoolTimeout, Overloaded, _NO_CONNECTION),
    (httpx.ConnectTimeout, UpstreamTimeout, "Connecting to the upstream took too long."),
    (httpx.TimeoutException, UpstreamTimeout, "The upstream did not respond in time."),
    (httpx.RemoteProtocolError, UpstreamProtocolError, "The upstream sent no valid answer."),
    (httpx.LocalProtocolError, BadRequest, "The request cannot be sent on as it stands."),
    (httpx.ConnectError, UpstreamUnreachable, "The upstream cannot be reached."),
    (httpx.HTTPError, UpstreamUnreachable, "The connection to the upstream broke off."),
)
"""What becomes of the transport's errors; the first that fits."""


class HttpxUpstream:
    """An `UpstreamClient` over any httpx transport that hands on well-formed fields alone."""

    def __init__(
        self,
        base_url: str,
        transport: httpx.AsyncBaseTransport,
        *,
        connect_timeout: float,
        read_timeout: float,
    ) -> None:
        self._transport = transport
        # httpx copies URLs; this one is shared by all requests, which differ in `target`.
        self._origin = httpx.URL(base_url).copy_with(path="/")
        self._host = (b"Host", self._origin.netloc)
        self._timeout = httpx.Timeout(
            connect=connect_timeout, read=read_timeout, write=read_timeout, pool=connect_timeout
        ).as_dict()

    def send(self, request: UpstreamRequest) -> "_RequestContext":
        """Open an exchange; see `UpstreamClient.send`."""
        return _RequestContext(self._transport, self._httpx_request(request))

    async def aclose(self) -> None:
        """Close the connections to the upstream."""
        await self._transport.aclose()

    def _httpx_request(self, request: UpstreamRequest) -> httpx.Request:
        return RawRequest(
            method=request.method,
            url=self._origin,
            headers=RawFields([self._host, *request.headers, *_framing(request)]),
            stream=_stream(request.body),
            extensions={"target": request.target, "timeout": self._timeout},
        )


class _RequestContext:
    """One request and its answer, for as long as the block lasts."""

    def __init__(self, transport: httpx.AsyncBaseTransport, request: httpx.Request) -> None:
        self._transport = transport
        self._request = request
        self._body: httpx.AsyncByteStream | None = None

    async def __aenter__(self) -> UpstreamResponse:
        try:
            response = await self._transport.handle_async_request(self._request)
            self._body = cast("httpx.AsyncByteStream", response.stream)
            if response.status_code not in _FINAL_STATUSES:
                await self._body.aclose()
                raise httpx.RemoteProtocolError("the answer's status is not one of HTTP")
        except httpx.HTTPError as error:
            raise _translated(error) from error
        return UpstreamResponse(response.status_code, response.headers.raw, self._body)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._body is not None:
            await self._body.aclose()
        if isinstance(error, httpx.HTTPError):
            raise _translated(error) from error


class _Stream(httpx.AsyncByteStream):
    def __init__(self, body: AsyncIterable[bytes]) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)


def _stream(body: bytes | AsyncIterable[bytes] | None) -> httpx.AsyncByteStream:
    if body is None:
        return _NO_BODY
    return httpx.ByteStream(body) if isinstance(body, bytes) else _Stream(body)


def _framing(request: UpstreamRequest) -> tuple[tuple[bytes, bytes], ...]:
    """The one framing of the request; RFC 9112 section 6."""
    body = request.body
    if isinstance(body, bytes):
        return ((b"Content-Length", b"%d" % len(body)),)
    if body is None:
        return ()
    if request.content_length is not None:
        return ((b"Content-Length", b"%d" % request.content_length),)
    return ((b"Transfer-Encoding", b"chunked"),)


def _translated(error: httpx.HTTPError) -> ProxyError:
    if isinstance(error, httpx.ConnectError) and _is_for_want_of_room(error):
        return Overloaded(_NO_CONNECTION)
    for kind, translation, message in _ERRORS:
        if isinstance(error, kind):
            return translation(message)
    raise AssertionError("every httpx.HTTPError has a translation") from error


def _is_for_want_of_room(error: BaseException) -> bool:
    cause = error.__cause__
    if cause is None:
        return False
    is_named = isinstance(cause, OSError) and cause.errno in _NO_ROOM
    return is_named or _is_for_want_of_room(cause)
