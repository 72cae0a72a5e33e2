"""The transport of our own, as httpx and a fault-finding upstream see it, on both event loops."""

import asyncio
import gzip
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tests.certificates import Authority
from tests.scripted_upstream import (
    CHUNKED,
    Exchange,
    ScriptedUpstream,
    Step,
    answer,
    chunk,
    close,
    end_of_chunks,
    head,
    pause,
    receive,
    receive_slowly,
    reset,
    send,
    stall,
)
from tests.upstream_client import Run, on_loop, open_descriptors, pieces
from tests.waiting import wait_until

from openai_proxy.adapters.upstream.native_transport import NativeTransport

MIB = 1024 * 1024


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return on_loop(request.param)


# The ban is on httpx's client in the product; that the transport works inside one is a promise.
Client = httpx.AsyncClient  # noqa: TID251


@asynccontextmanager
async def httpx_client(**options: Any) -> AsyncGenerator[Client]:
    async with Client(transport=NativeTransport(**options), timeout=5) as client:
        yield client


async def raw_answer(
    transport: NativeTransport, request: httpx.Request
) -> tuple[httpx.Response, bytes]:
    response = await transport.handle_async_request(request)
    return response, await response.aread()


class Body(httpx.AsyncByteStream):
    """A request body that counts how much of it was asked for."""

    def __init__(self, piece: bytes, times: int) -> None:
        self.piece = piece
        self.times = times
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self.times):
            self.taken += len(self.piece)
            yield self.piece


class TestInsideAnHttpxClient:
    def test_requests_of_all_kinds_are_answered(self, run: Run, upstream: ScriptedUpstream) -> None:
        gzipped = [(b"Content-Encoding", b"gzip")]
        upstream.plays(receive(), answer(200, [(b"X-A", b"b")], b"plain"))
        upstream.plays(receive(), answer(200, gzipped, gzip.compress(b"unpacked")))
        upstream.plays(
            receive(), head(302, [(b"Location", b"/v1/there"), (b"Content-Length", b"0")])
        )
        upstream.plays(receive(), head(200, CHUNKED), chunk(b"there"), end_of_chunks())

        async def main() -> list[str]:
            async with httpx_client() as client:
                answers = [
                    await client.get(f"{upstream.url}/a", params={"x": "1"}),
                    await client.post(f"{upstream.url}/b", json={"a": 1}),
                    await client.put(
                        f"{upstream.url}/c", content=pieces(b"s", b"t"), follow_redirects=True
                    ),
                ]
            assert {each.http_version for each in answers} == {"HTTP/1.1"}
            return [each.text for each in answers]

        assert run(main()) == ["plain", "unpacked", "there"]
        assert [seen.line for seen in upstream.requests] == [
            b"GET /v1/a?x=1 HTTP/1.1",
            b"POST /v1/b HTTP/1.1",
            b"PUT /v1/c HTTP/1.1",
            b"GET /v1/there HTTP/1.1",
        ]
        assert [bytes(seen.body) for seen in upstream.requests] == [b"", b'{"a":1}', b"st", b""]
        assert len({seen.connection for seen in upstream.requests}) == 1

    def test_host_and_framing_are_added_where_they_are_missing(
        self, run: Run, upstream: ScriptedUpstream
    ) -> None:
        body = Body(b"abc", 2)
        request = httpx.Request("POST", upstream.url, headers=[(b"X-A", b"b")], stream=body)

        async def main() -> None:
            transport = NativeTransport()
            await raw_answer(transport, request)
            await transport.aclose()

        run(main())

        assert upstream.requests[-1].headers == [
            (b"Host", upstream.address.encode()),
            (b"X-A", b"b"),
            (b"Transfer-Encoding", b"chunked"),
        ]

    def test_version_and_reason_come_with_the_answer(
        self, run: Run, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(send(b"HTTP/1.0 299 Nearly there\r\nContent-Length: 0\r\n\r\n"))

        async def main() -> httpx.Response:
            async with httpx_client() as client:
                return await client.get(upstream.url)

        answer = run(main())

        assert (answer.http_version, answer.status_code) == ("HTTP/1.0", 299)
        assert answer.reason_phrase == "Nearly there"

    @pytest.mark.parametrize(
        "headers",
        [
            [(b"Content-Length", b"3"), (b"Transfer-Encoding", b"chunked")],
            [(b"Content-Length", b"3"), (b"Content-Length", b"3")],
            [(b"Transfer-Encoding", b"gzip, chunked")],
            [(b"Content-Length", b"+3")],
            [(b"Content-Length", b"4")],
        ],
    )
    def test_a_request_of_doubtful_framing_is_never_sent(
        self, run: Run, upstream: ScriptedUpstream, headers: list[tuple[bytes, bytes]]
    ) -> None:
        request = httpx.Request(
            "POST", upstream.url, headers=headers, stream=httpx.ByteStream(b"abc")
        )

        with pytest.raises(httpx.LocalProtocolError):
            run(raw_answer(NativeTransport(), request))

        assert upstream.requests == []

    @pytest.mark.parametrize("target", [b"/a HTTP/1.1\r\nX: y", b"/a b", b"/\xff", b"/\x7f"])
    def test_a_target_that_would_break_the_request_line_is_never_sent(
        self, run: Run, upstream: ScriptedUpstream, target: bytes
    ) -> None:
        request = httpx.Request("GET", upstream.url, extensions={"target": target})

        with pytest.raises(httpx.LocalProtocolError):
            run(raw_answer(NativeTransport(), request))

        assert upstream.requests == []

    def test_other_schemes_are_refused(self, run: Run) -> None:
        with pytest.raises(httpx.UnsupportedProtocol):
            run(raw_answer(NativeTransport(), httpx.Request("GET", "ftp://127.0.0.1/")))

    def test_an_answer_that_switches_protocols_unasked_is_refused(
        self, run: Run, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(head(101, [(b"Upgrade", b"x"), (b"Connection", b"upgrade")]), stall())

        with pytest.raises(httpx.RemoteProtocolError):
            run(raw_answer(NativeTransport(), httpx.Request("GET", upstream.url)))


class TestRepeatingARequest:
    """After its first byte was written, only an idempotent request without a body, and once."""

    @staticmethod
    async def _send_on_a_kept_connection(upstream: ScriptedUpstream, *request: Any) -> bytes:
        method, body = request
        async with httpx_client() as client:
            await client.get(upstream.url)
            answer = await client.request(method, upstream.url, content=body)
            return answer.content

    @pytest.mark.parametrize("end", [close(), reset()], ids=["fin", "reset"])
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
    def test_a_kept_connection_that_ends_without_an_answer_is_replaced(
        self, run: Run, upstream: ScriptedUpstream, method: str, end: Step
    ) -> None:
        upstream.plays(answer(200))
        upstream.plays(end)

        run(self._send_on_a_kept_connection(upstream, method, None))

        assert [seen.method for seen in upstream.requests[1:]] == [method.encode()] * 2

    @pytest.mark.parametrize(
        ("method", "body"), [("POST", None), ("PATCH", None), ("PUT", b"x"), ("POST", b"x")]
    )
    def test_what_could_be_billed_twice_is_never_repeated(
        self, run: Run, upstream: ScriptedUpstream, method: str, body: bytes | None
    ) -> None:
        upstream.plays(answer(200))
        upstream.plays(close())

        with pytest.raises(httpx.RemoteProtocolError):
            run(self._send_on_a_kept_connection(upstream, method, body))

        assert len(upstream.requests) == 2

    @pytest.mark.parametrize("script", [[close()], [send(b"HTTP/1.1 2"), close()]])
    def test_it_is_repeated_once_at_most(
        self, run: Run, upstream: ScriptedUpstream, script: list[Step]
    ) -> None:
        upstream.plays(answer(200))
        upstream.otherwise_plays(*script)

        with pytest.raises(httpx.RemoteProtocolError):
            run(self._send_on_a_kept_connection(upstream, "GET", None))

        assert len(upstream.requests) <= 3

    def test_a_new_connection_that_ends_without_an_answer_is_not(
        self, run: Run, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(close())

        with pytest.raises(httpx.RemoteProtocolError):
            run(raw_answer(NativeTransport(), httpx.Request("GET", upstream.url)))

        assert len(upstream.requests) == 1

    def test_a_failed_attempt_to_connect_is_repeated_once(self, run: Run) -> None:
        attempts = 0

        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal attempts
            attempts += 1
            writer.close()

        async def main() -> None:
            server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                request = httpx.Request("POST", f"https://127.0.0.1:{port}/", content=b"x")
                await NativeTransport().handle_async_request(request)

        with pytest.raises(httpx.ConnectError):
            run(main())

        assert attempts == 2


class TestThePool:
    def test_a_request_beyond_the_bound_waits_for_a_connection(
        self, run: Run, upstream: ScriptedUpstream
    ) -> None:
        upstream.otherwise_plays(receive(), pause(0.01), answer(200))

        async def main() -> None:
            limits = httpx.Limits(max_connections=3)
            async with httpx_client(limits=limits) as client:
                await asyncio.gather(*[client.get(upstream.url) for _ in range(12)])

        run(main())

        assert len(upstream.requests) == 12
        assert len({seen.connection for seen in upstream.requests}) == 3

    def test_waiting_for_a_connection_ends_with_the_pool_timeout(
        self, run: Run, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), stall())

        async def main() -> None:
            limits = httpx.Limits(max_connections=1)
            async with httpx_client(limits=limits) as client:
                waiting = asyncio.create_task(client.get(upstream.url))
                await asyncio.to_thread(upstream.next_request)
                try:
                    await client.get(upstream.url, timeout=httpx.Timeout(5, pool=0.1))
                finally:
                    waiting.cancel()
                    await asyncio.wait((waiting,))

        with pytest.raises(httpx.PoolTimeout):
            run(main())

    def test_idle_connections_beyond_the_bound_are_closed(
        self, run: Run, upstream: ScriptedUpstream
    ) -> None:
        upstream.otherwise_plays(receive(), pause(0.02), answer(200))

        async def main() -> None:
            limits = httpx.Limits(max_keepalive_connections=1)
            async with httpx_client(limits=limits) as client:
                await asyncio.gather(*[client.get(upstream.url) for _ in range(3)])
                left = [seen.departure for seen in upstream.requests[:2]]
                await asyncio.to_thread(lambda: [departure.wait() for departure in left])

        run(main())

    def test_an_idle_connection_is_closed_when_it_expires(
        self, run: Run, upstream: ScriptedUpstream
    ) -> None:
        async def main() -> None:
            async with httpx_client(limits=httpx.Limits(keepalive_expiry=0.1)) as client:
                await client.get(upstream.url)
                await asyncio.to_thread(upstream.requests[0].departure.wait)
                await client.get(upstream.url)

        run(main())

        first, second = upstream.requests
        assert first.connection != second.connection

    def test_an_idle_connection_gives_way_to_another_origin(
        self, run: Run, upstream: ScriptedUpstream
    ) -> None:
        with ScriptedUpstream() as other:

            async def main() -> None:
                async with httpx_client(limits=httpx.Limits(max_connections=1)) as client:
                    await client.get(upstream.url)
                    await client.get(other.url)
                    await asyncio.to_thread(upstream.requests[0].departure.wait)

            run(main())

        assert len(other.requests) == 1

    def test_closing_it_closes_what_is_idle_and_later_what_was_in_use(
        self, run: Run, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(answer(200))
        upstream.plays(head(200, CHUNKED), pause(0.05), chunk(b"late"), end_of_chunks())

        async def main() -> bytes:
            transport = NativeTransport()
            await raw_answer(transport, httpx.Request("GET", upstream.url))
            response = await transport.handle_async_request(httpx.Request("GET", upstream.url))
            await transport.aclose()
            body = await response.aread()
            await asyncio.to_thread(upstream.requests[1].departure.wait)
            return body

        assert run(main()) == b"late"


class TestUploads:
    def test_an_upload_goes_on_beside_its_answer(
        self, run: Run, upstream: ScriptedUpstream
    ) -> None:
        async def echo(exchange: Exchange) -> None:
            await exchange.send_head(200, CHUNKED)
            async for piece in exchange.pieces_of_body():
                await exchange.send_chunk(piece)
            exchange.request.end(complete=True)
            await exchange.send_chunk(b"")

        upstream.plays(echo)
        heard = asyncio.Event()

        async def spoken() -> AsyncIterator[bytes]:
            for word in (b"one", b"two", b"three"):
                heard.clear()
                yield word
                await heard.wait()

        async def main() -> list[bytes]:
            words: list[bytes] = []
            async with (
                httpx_client() as client,
                client.stream("POST", upstream.url, content=spoken()) as answer,
            ):
                async for word in answer.aiter_raw():
                    words.append(word)
                    heard.set()
            return words

        assert run(main()) == [b"one", b"two", b"three"]

    def test_a_slow_upstream_holds_the_upload_back(
        self, run: Run, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive_slowly(0.5), answer(200))
        body = Body(bytes(65536), 4096)

        async def main() -> None:
            async with httpx_client() as client:
                upload = asyncio.create_task(client.post(upstream.url, content=body))
                await asyncio.sleep(0.5)
                upload.cancel()
                await asyncio.wait((upload,))

        run(main())

        assert body.taken < 16 * MIB

    @pytest.mark.parametrize("content", [bytes(64 * MIB), Body(bytes(65536), 1024)])
    def test_an_upload_that_nobody_takes_ends_with_the_write_timeout(
        self, run: Run, upstream: ScriptedUpstream, content: Any
    ) -> None:
        upstream.plays(stall())

        async def main() -> None:
            async with httpx_client() as client:
                timeout = httpx.Timeout(5, write=0.2)
                await client.post(upstream.url, content=content, timeout=timeout)

        with pytest.raises(httpx.WriteTimeout):
            run(main())


class TestDownloads:
    def test_a_reader_that_stands_still_holds_the_upstream_back(
        self, run: Run, upstream: ScriptedUpstream
    ) -> None:
        sent = 0

        async def pour(exchange: Exchange) -> None:
            nonlocal sent
            await exchange.send_head(200, [(b"Content-Length", b"%d" % (256 * MIB))])
            while sent < 256 * MIB:
                await exchange.send(bytes(65536))
                sent += 65536

        upstream.plays(pour)

        async def main() -> None:
            async with httpx_client() as client, client.stream("GET", upstream.url) as answer:
                await anext(answer.aiter_raw())
                await asyncio.sleep(0.3)

        run(main())

        assert 0 < sent < 16 * MIB


class TestTls:
    @pytest.fixture
    def secured(self, authority: Authority) -> Iterator[ScriptedUpstream]:
        with ScriptedUpstream(tls=authority.for_servers()) as upstream:
            yield upstream

    def test_requests_are_answered_on_one_connection(
        self, run: Run, authority: Authority, secured: ScriptedUpstream
    ) -> None:
        async def main() -> list[int]:
            async with httpx_client(ssl_context=authority.for_clients()) as client:
                content = bytes(MIB)
                return [
                    (await client.post(secured.url, content=content)).status_code for _ in range(5)
                ]

        assert run(main()) == [200] * 5
        assert len({seen.connection for seen in secured.requests}) == 1

    def test_the_authority_that_ssl_cert_file_names_is_trusted(
        self,
        run: Run,
        authority: Authority,
        secured: ScriptedUpstream,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))

        async def main() -> int:
            async with httpx_client() as client:
                return (await client.get(secured.url)).status_code

        assert run(main()) == 200

    @pytest.mark.parametrize("delay", [0, 0.001, 0.003, 0.01])
    def test_cancelling_a_handshake_leaves_no_descriptor(
        self, run: Run, authority: Authority, secured: ScriptedUpstream, delay: float
    ) -> None:
        async def main() -> None:
            async with httpx_client(ssl_context=authority.for_clients()) as client:
                await client.get(secured.url)
                before = open_descriptors()
                requests = [asyncio.create_task(client.get(secured.url)) for _ in range(30)]
                await asyncio.sleep(delay)
                for request in requests:
                    request.cancel()
                await asyncio.wait(requests)
                await asyncio.to_thread(wait_until, lambda: open_descriptors() <= before + 2)

        run(main())
