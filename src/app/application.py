"""The Litestar application: the relay mounted at the root, the proxy's own pages beside it."""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import cast

from litestar import Litestar
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler, asgi

from ..adapters.inbound.asgi import Application, Receive, Scope, Send, request_head
from ..adapters.inbound.guard import Guard
from ..adapters.inbound.local_pages import (
    PageGuard,
    answer_framework_error,
    answer_own_error,
    compress_page,
    docs_page,
    health_page,
    is_local_path,
    metrics_page,
    no_such_page,
    only_for,
    ready_page,
    stats_page,
)
from ..adapters.inbound.openapi import openapi_document
from ..adapters.inbound.web_page import web_page
from ..adapters.metrics.prometheus import CONTENT_TYPE
from ..adapters.metrics.stats import stats
from ..domain.errors import ProxyError
from .compression import strategies_of
from .container import Container
from .environment import load_settings, log_warnings
from .settings import InvalidSettings, Settings


def create_app(container: Container | None = None) -> Application:
    """The whole service as one ASGI application, closed by its lifespan.

    Without a container the settings are read from the environment; if they are
    not valid, the process ends with a line for each problem.
    """
    if container is None:
        container = Container(settings=_settings_or_exit())
    relay = asgi("/", is_mount=True, copy_scope=False)(
        _by_kind(
            container.spans().around(container.relay()),
            container.spans().around(container.websocket_relay()),
        )
    )
    application = Litestar(
        route_handlers=[
            relay,
            health_page(container.settings().upstream_base_url),
            ready_page(lambda: _is_ready(container)),
            *_pages_for_few(container),
        ],
        lifespan=[lambda _: _lifespan(container)],
        exception_handlers={HTTPException: answer_framework_error, ProxyError: answer_own_error},
        openapi_config=None,
        logging_config=None,
    )
    # Litestar types its messages more narrowly than the ASGI specification does.
    return Guard(_by_raw_path(cast("Application", application)))


def _settings_or_exit() -> Settings:
    try:
        settings = load_settings()
    except InvalidSettings as invalid:
        raise SystemExit(str(invalid)) from None
    log_warnings(settings)
    return settings


def _pages_for_few(container: Container) -> list[HTTPRouteHandler]:
    guard, policy = only_for(container.access()), container.policy()
    counts, prices = container.counts(), container.prices()
    return [
        stats_page(lambda: stats(counts.now(), prices), guard),
        metrics_page(container.prometheus_page().render, CONTENT_TYPE, guard),
        _compress_page(container, guard),
        docs_page(openapi_document(policy, strategies_of(policy)), guard),
        *web_page(guard),
    ]


def _compress_page(container: Container, guard: PageGuard) -> HTTPRouteHandler:
    policy, compression = container.policy(), container.compression()
    strategies = strategies_of(policy)
    return compress_page(
        lambda question: compression.explain(question, policy, strategies),
        container.prices(),
        container.settings().compression_max_body_bytes,
        guard,
    )


def _is_ready(container: Container) -> bool:
    """Whether requests may come.

    Where the settings compress nothing, no vocabulary is loaded ahead, which
    keeps the process small; the first request that asks for compression waits.
    """
    is_warm = container.vocabularies().are_warm or not container.policy().compresses
    return is_warm and not container.traffic().is_draining


def _by_raw_path(application: Application) -> Application:
    def route(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Litestar decodes and trims a path before it looks for a page, so that
        # `/%68ealth` would be one; the relay at the root reads `raw_path` alone.
        if scope["type"] != "lifespan" and not is_local_path(request_head(scope).raw_path):
            scope["path"] = "/"
        return application(scope, receive, send)

    return route


def _by_kind(requests: Application, websockets: Application) -> Application:
    async def relay(scope: Scope, receive: Receive, send: Send) -> None:
        if is_local_path(scope["raw_path"]):
            await no_such_page(scope, receive, send)
        elif scope["type"] == "http":
            await requests(scope, receive, send)
        else:
            await websockets(scope, receive, send)

    return relay


@asynccontextmanager
async def _lifespan(container: Container) -> AsyncGenerator[None]:
    if container.policy().compresses:
        container.vocabularies().warm_up()
    try:
        yield
    finally:
        container.compression().close()
        await container.upstream().aclose()
        container.observers().close()
