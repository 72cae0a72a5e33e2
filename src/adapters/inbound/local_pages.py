"""The proxy's own pages, and every other answer of the framework in OpenAI's shape."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from litestar import Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler

from ...domain.errors import (
    BadRequest,
    MethodNotAllowed,
    NoSuchPage,
    ProxyError,
    RequestTooLarge,
    Unauthorized,
)
from ...domain.http.access import AccessPolicy
from ...domain.savings.prices import PriceList
from .asgi import Receive, Scope, Send, request_head
from .downstream import error_headers
from .guard import refuse

PageGuard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], None]

_CHALLENGE = {"www-authenticate": 'Basic realm="openai-proxy", charset="UTF-8"'}
"""What makes a browser ask for a key (RFC 7617 section 2)."""
_KINDS = {kind.status: kind for kind in (NoSuchPage, MethodNotAllowed, RequestTooLarge)}
_MILLION = 1_000_000


def health_page(proxy_target: str) -> HTTPRouteHandler:
    """`/health`: liveness, answered whatever the upstream does."""

    @get("/health", sync_to_thread=False)
    def health() -> dict[str, str]:
        return {"status": "healthy", "proxy_target": proxy_target}

    return health


def ready_page(is_ready: Callable[[], bool]) -> HTTPRouteHandler:
    """`/_proxy/ready`: whether a request sent now would be served well."""

    @get("/_proxy/ready", sync_to_thread=False)
    def ready() -> Response[dict[str, str]]:
        if is_ready():
            return Response({"status": "ready"})
        return Response({"status": "not ready"}, status_code=503)

    return ready


def stats_page(stats: Callable[[], dict[str, Any]], guard: PageGuard) -> HTTPRouteHandler:
    """`/_proxy/stats`: what compression saved or lost."""

    @get("/_proxy/stats", sync_to_thread=False, guards=[guard])
    def page() -> dict[str, Any]:
        return stats()

    return page


def metrics_page(
    render: Callable[[], bytes], content_type: str, guard: PageGuard
) -> HTTPRouteHandler:
    """`/_proxy/metrics`: what Prometheus collects."""

    @get("/_proxy/metrics", sync_to_thread=False, guards=[guard])
    def page() -> Response[bytes]:
        # As a media type, Litestar would say the charset again.
        return Response(render(), headers={"content-type": content_type})

    return page


def compress_page(
    explain: Callable[[bytes], Awaitable[dict[str, Any]]],
    prices: PriceList | None,
    max_bytes: int,
    guard: PageGuard,
) -> HTTPRouteHandler:
    """`/_proxy/compress`: what would become of a text or a request. Nothing is sent or logged."""

    @post("/_proxy/compress", status_code=200, guards=[guard], request_max_body_size=max_bytes)
    async def page(request: Request[Any, Any, Any]) -> dict[str, Any]:
        told = await explain(await _question(request, max_bytes))
        return {**told, "cost": _cost(told, prices)}

    return page


def docs_page(document: dict[str, Any], guard: PageGuard) -> HTTPRouteHandler:
    """`/_proxy/docs`: these pages, described for programs."""

    @get("/_proxy/docs", sync_to_thread=False, guards=[guard])
    def page() -> dict[str, Any]:
        return document

    return page


def only_for(access: AccessPolicy) -> PageGuard:
    """Keeps the pages it guards from whoever may not see them."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        # Litestar types its scope more narrowly than the ASGI specification does.
        head = request_head(cast("Scope", connection.scope))
        if not access.may_see_local_pages(head, allow_basic=True):
            raise Unauthorized(
                "This page is for callers on the proxy's own machine "
                "and for those who present one of PROXY_API_KEYS."
            )

    return guard


def is_local_path(raw_path: bytes) -> bool:
    """Whether a path is the proxy's own, so that it never goes upstream."""
    return raw_path in (b"/health", b"/_proxy") or raw_path.startswith(b"/_proxy/")


async def no_such_page(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 (ASGI's)
    """The raw ASGI application that answers whatever is asked for below `/_proxy/` in vain."""
    await refuse(NoSuchPage("The proxy has no such page."), scope, send)


def answer_own_error(_: Request[Any, Any, Any], error: ProxyError) -> Response[bytes]:
    """An error that a local page or its guard raised."""
    return _as_response(error)


def answer_framework_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """An error of Litestar's on a local path, such as 404, 405 or 413."""
    known = _KINDS.get(error.status_code, BadRequest)(f"{error.detail}.")
    known.status = error.status_code
    return _as_response(known, error.headers)


def _as_response(error: ProxyError, more: Mapping[str, str] | None = None) -> Response[bytes]:
    body = error.as_json()
    headers = {name.decode(): value.decode() for name, value in error_headers(error, body)}
    headers |= more or {}
    if isinstance(error, Unauthorized):
        headers |= _CHALLENGE
    return Response(body, status_code=error.status, headers=headers)


async def _question(request: Request[Any, Any, Any], max_bytes: int) -> bytes:
    try:
        return await request.body()
    except RequestEntityTooLarge as error:
        raise RequestTooLarge(
            f"A question may have at most {max_bytes} bytes (COMPRESSION_MAX_BODY_BYTES)."
        ) from error


def _cost(told: Mapping[str, Any], prices: PriceList | None) -> dict[str, Any] | None:
    """What the texts cost as input that no cache serves, as far as the model's price is known."""
    found = None if prices is None else prices.prices_of(told["model"])
    if found is None:
        return None
    before, billed = (
        float(told[tokens] * found.input / _MILLION)
        for tokens in ("tokens_before", "tokens_billed")
    )
    return {"currency": "USD", "before": before, "billed": billed}
