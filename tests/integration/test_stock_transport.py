"""What the transport of httpx's own is kept for: a proxy that the environment names."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_client import body_of, client_of, on_loop, request, transport

from openai_proxy.domain.errors import UpstreamError


class OutgoingProxy:
    """Answers each request itself, and remembers its request line."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[None]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.lines.append(head.partition(b"\r\n")[0])
        is_tunnel = head.startswith(b"CONNECT")
        writer.write(b"HTTP/1.1 %d Done\r\nContent-Length: 0\r\n\r\n" % (502 if is_tunnel else 200))
        writer.close()
        await writer.wait_closed()


@pytest.fixture(autouse=True)
def _no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def _ask_through_proxy(
    monkeypatch: pytest.MonkeyPatch, variable: str, base_url: str
) -> list[bytes]:
    proxy = OutgoingProxy()
    async with proxy.listening():
        monkeypatch.setenv(variable, proxy.url)
        async with client_of(base_url, transport("httpx", base_url)) as client:
            with suppress(UpstreamError):
                await body_of(client, request("GET", b"/v1/a%2Fb?<x>"))
    return proxy.lines


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_plain_requests_name_their_whole_target(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    asked = _ask_through_proxy(monkeypatch, variable, "http://api.example:8080/v1")

    assert on_loop("uvloop")(asked) == [b"GET http://api.example:8080/v1/a%2Fb?<x> HTTP/1.1"]


@pytest.mark.parametrize("variable", ["https_proxy", "all_proxy"])
def test_tls_asks_for_a_tunnel_to_the_host_and_nothing_more(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    asked = _ask_through_proxy(monkeypatch, variable, "https://api.example/v1")

    assert on_loop("uvloop")(asked) == [b"CONNECT api.example:443 HTTP/1.1"]


def test_hosts_that_no_proxy_names_are_asked_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    with ScriptedUpstream() as upstream:
        asked = _ask_through_proxy(monkeypatch, "http_proxy", upstream.url)

        assert on_loop("uvloop")(asked) == []
        assert len(upstream.requests) == 1
