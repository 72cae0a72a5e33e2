"""The proxy's own pages, and every other answer of the framework in OpenAI's shape."""

from collections.abc import Callable
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from ..domain.errors import BadRequest, ProxyError
from .downstream import error_headers


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


def answer_framework_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """A routing error of Litestar's, such as 404 or 405 on a local path."""
    known = BadRequest(f"{error.detail}.")
    known.status = error.status_code
    return _as_response(known)


def _as_response(error: ProxyError) -> Response[bytes]:
    body = error.as_json()
    headers = {name.decode(): value.decode() for name, value in error_headers(error, body)}
    return Response(body, status_code=error.status, headers=headers)
