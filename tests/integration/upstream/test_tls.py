"""Whom the upstream must prove to be, and how an answer over TLS may end."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from tests.certificates import Authority
from tests.scripted_upstream import ScriptedUpstream, close, head, send
from tests.upstream_client import Connect, Run, body_of, request

from openai_proxy.adapters.upstream.httpx_upstream import HttpxUpstream
from openai_proxy.domain.errors import UpstreamError, UpstreamUnreachable


class TestTls:
    @pytest.fixture
    def secured(self, authority: Authority) -> Iterator[ScriptedUpstream]:
        with ScriptedUpstream(tls=authority.for_servers()) as upstream:
            yield upstream

    def test_a_certificate_that_nobody_vouches_for_makes_it_unreachable(
        self, run: Run, connect: Connect, secured: ScriptedUpstream
    ) -> None:
        with pytest.raises(UpstreamUnreachable):
            run(_ask(connect(secured.url)))

        assert secured.requests == []

    @pytest.mark.usefixtures("authority")
    def test_a_certificate_of_another_name_makes_it_unreachable(
        self, run: Run, connect: Connect, tmp_path: Path
    ) -> None:
        other = Authority.made_in(tmp_path, names="DNS:elsewhere.example")

        with (
            ScriptedUpstream(tls=other.for_servers()) as upstream,
            pytest.raises(UpstreamUnreachable),
        ):
            run(_ask(connect(upstream.url, trusted=other.for_clients())))

    def test_whoever_answers_in_plain_text_is_unreachable(self, run: Run, connect: Connect) -> None:
        async def answer_plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async def main() -> None:
            server = await asyncio.start_server(answer_plainly, "127.0.0.1", 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                await _ask(connect(f"https://127.0.0.1:{port}/v1"))

        with pytest.raises(UpstreamUnreachable):
            run(main())

    def test_an_answer_without_a_length_may_end_with_a_closure_alert(
        self, run: Run, connect: Connect, authority: Authority, secured: ScriptedUpstream
    ) -> None:
        secured.plays(head(200), send(b"whole"), close())

        assert run(_ask(connect(secured.url, trusted=authority.for_clients()))) == b"whole"

    def test_an_answer_without_a_length_may_not_end_without_one(
        self, run: Run, connect: Connect, authority: Authority
    ) -> None:
        """Anyone on the way can send a FIN; RFC 9112 section 9.8."""
        with _Truncating(authority.for_servers()) as url, pytest.raises(UpstreamError):
            run(_ask(connect(url, trusted=authority.for_clients())))


async def _ask(client: AbstractAsyncContextManager[HttpxUpstream]) -> bytes:
    async with client as upstream:
        return await body_of(upstream, request("GET"))


class _Truncating:
    """A TLS server that sends an unframed answer and ends with a FIN alone."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"https://127.0.0.1:{self._listener.getsockname()[1]}/"

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        plain, _ = self._listener.accept()
        with self._tls.wrap_socket(plain, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(b"HTTP/1.1 200 OK\r\n\r\ncut here")
            time.sleep(0.05)
            secured.shutdown(socket.SHUT_WR)
            time.sleep(0.05)
