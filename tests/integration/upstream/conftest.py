"""An upstream of the test's own, and a client of it: either transport, either event loop."""

import ssl
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_client import (
    Connect,
    Exchange,
    Run,
    WholeAnswer,
    client_of,
    on_loop,
    request,
    transport,
    whole_body,
)

from openai_proxy.adapters.upstream.httpx_upstream import HttpxUpstream


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """One of the test's own, so that a straggler of another test never counts here."""
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture(params=["iterated-asyncio", "native-uvloop", "httpx-uvloop"])
def combination(request: pytest.FixtureRequest) -> list[str]:
    return str(request.param).split("-")


@pytest.fixture
def run(combination: list[str]) -> Run:
    return on_loop(combination[1])


@pytest.fixture
def connect(combination: list[str], upstream: ScriptedUpstream) -> Connect:
    """Opens a client of the scripted upstream, or of another address."""

    def connect(
        base_url: str = upstream.url,
        *,
        trusted: ssl.SSLContext | None = None,
        limits: dict[str, int] | None = None,
        **timeouts: float,
    ) -> AbstractAsyncContextManager[HttpxUpstream]:
        bounded = transport(combination[0], base_url, trusted, **(limits or {}))
        return client_of(base_url, bounded, **timeouts)

    return connect


@pytest.fixture
def exchange(run: Run, connect: Connect) -> Exchange:
    """Sends one request and returns all of its answer."""

    def exchange(**parts: Any) -> WholeAnswer:
        async def main() -> WholeAnswer:
            async with connect() as client, client.send(request(**parts)) as answer:
                return answer.status, list(answer.headers), await whole_body(answer)

        answer: WholeAnswer = run(main())
        return answer

    return exchange
