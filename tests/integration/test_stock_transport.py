"""What the transport of httpx's own is kept for: a proxy that the environment names."""

import asyncio
import importlib.util
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest
from tests.certificates import Authority
from tests.scripted_upstream import ScriptedUpstream, answer, receive
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


@asynccontextmanager
async def tunnelling_proxy() -> AsyncGenerator[str]:
    """Connects one who asks for a tunnel."""
    has_ended = asyncio.Event()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        host, _, port = head.split()[1].decode().partition(":")
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pass_on(reader, upstream_writer), _pass_on(upstream_reader, writer))
        has_ended.set()

    server = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await has_ended.wait()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65536):
            writer.write(piece)
    writer.close()


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


def test_requests_travel_through_the_tunnel_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    async def main(url: str) -> list[bytes]:
        async with tunnelling_proxy() as proxy:
            monkeypatch.setenv("https_proxy", proxy)
            tunnelled = transport("httpx", url, authority.for_clients())
            async with client_of(url, tunnelled) as client:
                return [await body_of(client, request(body=b"{}")) for _ in range(3)]

    with ScriptedUpstream(tls=authority.for_servers()) as upstream:
        for word in (b"one", b"two", b"three"):
            upstream.plays(receive(), answer(200, (), word))

        assert on_loop("uvloop")(main(upstream.url)) == [b"one", b"two", b"three"]
        assert len({seen.connection for seen in upstream.requests}) == 1


def test_a_proxy_that_needs_a_package_which_is_not_installed_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if importlib.util.find_spec("socksio") is not None:
        pytest.skip("the package is installed")
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1080")

    with pytest.raises(ImportError, match="socksio"):
        transport("httpx", "https://api.example/v1")


def test_hosts_that_no_proxy_names_are_asked_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    with ScriptedUpstream() as upstream:
        asked = _ask_through_proxy(monkeypatch, "http_proxy", upstream.url)

        assert on_loop("uvloop")(asked) == []
        assert len(upstream.requests) == 1
