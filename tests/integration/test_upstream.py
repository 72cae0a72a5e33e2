"""What the upstream sees, and what comes back from it, over either transport and event loop."""

import asyncio
import hashlib
import os
import random
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import pytest
from tests.certificates import Authority
from tests.scripted_upstream import (
    CHUNKED,
    ScriptedUpstream,
    Step,
    answer,
    chunk,
    close,
    end_of_chunks,
    head,
    pause,
    receive,
    reset,
    send,
    stall,
    until,
)
from tests.upstream_client import (
    Run,
    body_of,
    client_of,
    on_loop,
    open_descriptors,
    pieces,
    request,
    transport,
)
from tests.waiting import wait_until

from openai_proxy.adapters.upstream.httpx_upstream import HttpxUpstream
from openai_proxy.domain.errors import (
    BadRequest,
    Overloaded,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
)

MIB = 1024 * 1024

WholeAnswer = tuple[int, list[tuple[bytes, bytes]], bytes]
Exchange = Callable[..., WholeAnswer]
Connect = Callable[..., AbstractAsyncContextManager[HttpxUpstream]]


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """One of the test's own, so that a straggler of another test never counts here."""
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture(params=["native-asyncio", "native-uvloop", "httpx-uvloop"])
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
                body = b"".join([piece async for piece in answer.body])
                return answer.status, list(answer.headers), body

        answer: WholeAnswer = run(main())
        return answer

    return exchange


class TestWhatTheUpstreamSees:
    @pytest.mark.parametrize(
        "target",
        [
            b"/v1/files/a%2Fb?x=1&x=&&y=a+b",
            b"/v1/../models",
            b"/v1//x/./y;p",
            b'/v1/"<>|\\^`{}[]?"<>#',
            b"/v1/%zz%?%",
        ],
    )
    def test_the_target_arrives_byte_for_byte(
        self, exchange: Exchange, upstream: ScriptedUpstream, target: bytes
    ) -> None:
        exchange(method="GET", target=target)

        assert upstream.requests[-1].line == b"GET " + target + b" HTTP/1.1"

    def test_header_fields_arrive_in_order_with_duplicates_and_any_bytes(
        self, exchange: Exchange, upstream: ScriptedUpstream
    ) -> None:
        fields = [
            (b"X-Twice", b"1"),
            (b"authorization", b"Bearer sk-1"),
            (b"X-Twice", b"2"),
            (b"X-Latin", b"caf\xe9 \xff"),
            (b"X-Empty", b""),
        ]

        exchange(method="GET", headers=fields)

        host = (b"Host", upstream.address.encode())
        assert upstream.requests[-1].headers == [host, *fields]

    @pytest.mark.parametrize(
        ("body", "framing"),
        [
            ({"body": b"hello"}, [(b"Content-Length", b"5")]),
            ({"body": b""}, [(b"Content-Length", b"0")]),
            ({"body": None}, []),
        ],
    )
    def test_a_body_of_bytes_is_framed_by_its_length(
        self,
        exchange: Exchange,
        upstream: ScriptedUpstream,
        body: dict[str, bytes],
        framing: list[tuple[bytes, bytes]],
    ) -> None:
        exchange(**body)

        seen = upstream.requests[-1]
        assert seen.headers[1:] == framing
        assert seen.wait_until_read() == (body["body"] or b"")

    @pytest.mark.parametrize(
        ("length", "framing"),
        [(6, (b"Content-Length", b"6")), (None, (b"Transfer-Encoding", b"chunked"))],
    )
    def test_a_streamed_body_is_framed_by_its_length_or_in_chunks(
        self,
        exchange: Exchange,
        upstream: ScriptedUpstream,
        length: int | None,
        framing: tuple[bytes, bytes],
    ) -> None:
        exchange(body=pieces(b"abc", b"", b"def"), content_length=length)

        seen = upstream.requests[-1]
        assert seen.headers[1:] == [framing]
        assert seen.wait_until_read() == b"abcdef"

    @pytest.mark.parametrize("length", [16 * MIB, None])
    def test_a_large_body_arrives_whole(
        self, exchange: Exchange, upstream: ScriptedUpstream, length: int | None
    ) -> None:
        parts = [os.urandom(MIB // 4) for _ in range(64)]

        exchange(body=pieces(*parts), content_length=length)

        received = upstream.requests[-1].wait_until_read()
        assert hashlib.sha256(received).digest() == hashlib.sha256(b"".join(parts)).digest()

    @pytest.mark.parametrize("method", ["GET", "DELETE", "PURGE", "mkcol"])
    def test_the_method_is_sent_as_it_is_spelt(
        self, exchange: Exchange, upstream: ScriptedUpstream, method: str
    ) -> None:
        exchange(method=method)

        assert upstream.requests[-1].method == method.encode()

    @pytest.mark.parametrize(
        "field", [(b"X-A", b"1\r\nX-Evil: 2"), (b"X-A", b"1\0"), (b"X-A", b"1\n")]
    )
    def test_a_field_that_would_be_two_is_never_sent(
        self, exchange: Exchange, upstream: ScriptedUpstream, field: tuple[bytes, bytes]
    ) -> None:
        with pytest.raises(BadRequest):
            exchange(method="GET", headers=[field])

        assert upstream.requests == []

    def test_nothing_of_one_exchange_is_remembered_in_the_next(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(answer(200, [(b"Set-Cookie", b"a=b"), (b"WWW-Authenticate", b"Basic")]))

        async def main() -> None:
            async with connect() as client:
                await body_of(client, request("GET"))
                await body_of(client, request("GET"))

        run(main())

        first, second = upstream.requests
        assert first.headers == second.headers
        assert first.connection == second.connection


class TestWhatComesBack:
    def test_status_fields_and_body_come_as_they_were_sent(
        self, exchange: Exchange, upstream: ScriptedUpstream
    ) -> None:
        fields = [
            (b"X-Request-ID", b"req_1"),
            (b"Set-Cookie", b"a=1"),
            (b"set-cookie", b"b=\xe9"),
            (b"Content-Encoding", b"gzip"),
            (b"Content-Length", b"9"),
        ]
        upstream.plays(answer(429, fields, b"\x1f\x8bnotgzip"))

        assert exchange() == (429, fields, b"\x1f\x8bnotgzip")

    def test_each_chunk_arrives_before_the_next_is_sent(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        chunks = [b"data: %d\n\n" % number for number in range(20)]
        seen = [threading.Event() for _ in chunks]
        steps: list[Step] = []
        for data, event in zip(chunks, seen, strict=True):
            steps += [chunk(data), until(event)]
        upstream.plays(head(200, CHUNKED), *steps, end_of_chunks())

        async def main() -> list[bytes]:
            received: list[bytes] = []
            async with connect() as client, client.send(request("GET")) as answer:
                async for piece in answer.body:
                    received.append(piece)
                    seen[len(received) - 1].set()
            return received

        assert run(main()) == chunks

    def test_interim_answers_are_passed_over(
        self, exchange: Exchange, upstream: ScriptedUpstream
    ) -> None:
        early = [(b"Link", b"</x>")]
        upstream.plays(head(100), head(103, early), head(102), answer(200, [(b"A", b"b")], b"hi"))

        assert exchange(method="GET") == (200, [(b"A", b"b"), (b"Content-Length", b"2")], b"hi")

    @pytest.mark.parametrize(
        ("method", "step"),
        [
            ("HEAD", answer(200, [(b"Content-Length", b"1000")])),
            ("HEAD", answer(200, [(b"Transfer-Encoding", b"chunked")])),
            ("GET", answer(204)),
            ("GET", answer(304, [(b"Content-Length", b"1000")])),
            ("GET", answer(200, [(b"Content-Length", b"0")])),
        ],
    )
    def test_an_answer_without_a_body_leaves_the_connection_fit_for_the_next(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream, method: str, step: Step
    ) -> None:
        upstream.plays(step)

        async def main() -> list[bytes]:
            async with connect() as client:
                return [await body_of(client, request(each)) for each in (method, "POST")]

        first, second = run(main())

        assert first == b""
        assert second
        assert upstream.requests[0].connection == upstream.requests[1].connection

    def test_the_answer_to_head_needs_no_length(
        self, exchange: Exchange, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(head(200, [(b"X-A", b"b")]))

        assert exchange(method="HEAD") == (200, [(b"X-A", b"b")], b"")

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_handed_back(
        self, exchange: Exchange, upstream: ScriptedUpstream, status: int
    ) -> None:
        upstream.plays(answer(status, [(b"Location", b"/v1/elsewhere")]))

        assert exchange()[0] == status
        assert len(upstream.requests) == 1

    def test_an_answer_without_a_length_ends_with_the_connection(
        self, exchange: Exchange, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), head(200), send(b"abc"), send(b"def"), close())

        assert exchange() == (200, [], b"abcdef")

    def test_a_large_answer_comes_whole(
        self, exchange: Exchange, upstream: ScriptedUpstream
    ) -> None:
        body = os.urandom(16 * MIB)
        upstream.plays(receive(), answer(200, (), body))

        assert hashlib.sha256(exchange()[2]).digest() == hashlib.sha256(body).digest()


class TestAnUpstreamThatFails:
    @pytest.mark.parametrize(
        "garbage",
        [
            b"",
            b"HTTP/1.1 200",
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"<html>hello</html>\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX y: 1\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 20x OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 20_000 + b"\r\n",
        ],
    )
    def test_what_is_no_answer_is_a_protocol_error(
        self, exchange: Exchange, upstream: ScriptedUpstream, garbage: bytes
    ) -> None:
        upstream.plays(receive(), send(garbage), close())

        with pytest.raises(UpstreamError) as failure:
            exchange(body=b"{}")

        assert isinstance(failure.value, UpstreamProtocolError)
        assert len(upstream.requests) == 1

    @pytest.mark.parametrize(
        ("framing", "end"),
        [
            ([(b"Content-Length", b"10")], [send(b"abc"), close()]),
            ([(b"Content-Length", b"10")], [send(b"abc"), pause(0.05), reset()]),
            (CHUNKED, [chunk(b"abc"), close()]),
            (CHUNKED, [send(b"3\r\nabc\r\n5\r\nde"), close()]),
            (CHUNKED, [chunk(b"abc"), pause(0.05), send(b"zz\r\n"), stall()]),
            (CHUNKED, [chunk(b"abc"), pause(0.05), send(b"-1\r\n"), stall()]),
            (CHUNKED, [chunk(b"abc"), pause(0.05), reset()]),
            ([], [send(b"abc"), pause(0.05), reset()]),
        ],
    )
    def test_an_answer_that_is_cut_raises_after_what_came(
        self,
        run: Run,
        connect: Connect,
        upstream: ScriptedUpstream,
        framing: list[tuple[bytes, bytes]],
        end: list[Step],
    ) -> None:
        upstream.plays(receive(), head(200, framing), *end)
        received = bytearray()

        async def main() -> None:
            async with connect() as client, client.send(request(body=b"{}")) as answer:
                async for piece in answer.body:
                    received.extend(piece)

        with pytest.raises(UpstreamError):
            run(main())

        assert received.startswith(b"abc")
        assert len(upstream.requests) == 1

    def test_silence_is_a_timeout(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), stall())

        async def main() -> None:
            async with connect(read_timeout=0.2) as client:
                await body_of(client, request(body=b"{}"))

        with pytest.raises(UpstreamTimeout):
            run(main())

    def test_silence_within_the_answer_is_a_timeout(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), head(200, CHUNKED), chunk(b"abc"), stall())

        async def main() -> None:
            async with connect(read_timeout=0.2) as client:
                await body_of(client, request(body=b"{}"))

        with pytest.raises(UpstreamTimeout):
            run(main())

    def test_the_read_timeout_counts_from_the_last_that_came(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        steps = [pause(0.15), chunk(b"x")] * 4
        upstream.plays(receive(), pause(0.15), head(200, CHUNKED), *steps, end_of_chunks())

        async def main() -> bytes:
            async with connect(read_timeout=0.4) as client:
                return await body_of(client, request(body=b"{}"))

        assert run(main()) == b"xxxx"

    def test_a_slow_upload_is_not_taken_for_silence(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), answer(200, (), b"thanks"))
        body = pieces(*[b"x"] * 5, rest_seconds=0.1)

        async def main() -> bytes:
            async with connect(read_timeout=0.3) as client:
                return await body_of(client, request(body=body, content_length=5))

        assert run(main()) == b"thanks"

    def test_nobody_listening_is_unreachable_at_once(self, run: Run, connect: Connect) -> None:
        with socket.socket() as unheard:
            unheard.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{unheard.getsockname()[1]}/v1"

            async def main() -> None:
                async with connect(address) as client:
                    await body_of(client, request(body=b"{}"))

            started = time.monotonic()
            with pytest.raises(UpstreamUnreachable):
                run(main())

        assert time.monotonic() - started < 1

    def test_a_name_that_no_one_knows_is_unreachable(self, run: Run, connect: Connect) -> None:
        async def main() -> None:
            async with connect("http://nowhere.invalid/v1") as client:
                await body_of(client, request(body=b"{}"))

        with pytest.raises(UpstreamUnreachable):
            run(main())

    def test_connecting_for_too_long_is_a_timeout(self, run: Run, connect: Connect) -> None:
        # A TLS handshake that is never answered stands for a host that never answers.
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            address = f"https://127.0.0.1:{deaf.getsockname()[1]}/v1"

            async def main() -> None:
                async with connect(address, connect_timeout=0.2) as client:
                    await body_of(client, request(body=b"{}"))

            with pytest.raises(UpstreamTimeout):
                run(main())

    def test_no_free_connection_is_an_overload(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), stall())

        async def main() -> None:
            async with connect(limits={"max_connections": 1}, connect_timeout=0.2) as client:
                waiting = asyncio.create_task(body_of(client, request(body=b"{}")))
                await asyncio.to_thread(upstream.next_request)
                try:
                    await body_of(client, request(body=b"{}"))
                finally:
                    waiting.cancel()
                    await asyncio.wait((waiting,))

        with pytest.raises(Overloaded):
            run(main())

    @pytest.mark.parametrize("script", [[close()], [send(b"garbage\r\n\r\n")], [reset()]])
    def test_its_message_names_no_host_library_or_cause(
        self, exchange: Exchange, upstream: ScriptedUpstream, script: list[Step]
    ) -> None:
        upstream.plays(receive(), *script)

        with pytest.raises(UpstreamError) as failure:
            exchange(body=b"{}")

        message = str(failure.value).lower()
        assert message.endswith(".")
        for revealing in ("127.0.0.1", "http", "errno", "llhttp", "h11", "traceback"):
            assert revealing not in message


class TestAnEarlyAnswer:
    """One that comes before all of the request has been sent."""

    @pytest.mark.parametrize("end", [[stall()], [pause(0.05), close()], [pause(0.05), reset()]])
    @pytest.mark.parametrize("length", [1024 * MIB, None])
    def test_it_arrives_while_the_upload_stands_still(
        self,
        run: Run,
        connect: Connect,
        upstream: ScriptedUpstream,
        end: list[Step],
        length: int | None,
    ) -> None:
        upstream.plays(answer(413, (), b"too large"), *end)

        async def main() -> tuple[int, bytes]:
            endless = request(body=_endless(bytes(65536)), content_length=length)
            async with connect() as client, client.send(endless) as answer:
                return answer.status, b"".join([piece async for piece in answer.body])

        assert run(main()) == (413, b"too large")

    @pytest.mark.parametrize(
        "script",
        [
            [answer(413, (), b"enough")],
            [head(100), head(102), answer(200, (), b"enough")],
            [head(400, CHUNKED), chunk(b"eno"), pause(0.05), chunk(b"ugh"), end_of_chunks()],
        ],
        ids=["error", "whole", "error in pieces"],
    )
    def test_it_arrives_while_the_client_sends_nothing(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream, script: list[Step]
    ) -> None:
        upstream.plays(pause(0.05), *script, stall())

        async def main() -> bytes:
            async with connect() as client:
                return await body_of(client, request(body=_half_a_body()))

        assert run(main()) == b"enough"

    def test_it_breaks_the_request_and_the_connection_off(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(answer(413), receive())

        async def main() -> None:
            async with connect() as client:
                await body_of(client, request(body=_half_a_body()))
                await body_of(client, request("GET"))

        run(main())

        first, second = upstream.requests
        first.wait_until_read()
        assert not first.complete
        assert first.connection != second.connection

    def test_one_that_goes_on_does_not_break_the_request_off(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(head(200, CHUNKED), chunk(b"a"), receive(), chunk(b"b"), end_of_chunks())

        async def main() -> bytes:
            body = pieces(*[b"x"] * 5, rest_seconds=0.02)
            async with connect() as client:
                return await body_of(client, request(body=body))

        assert run(main()) == b"ab"
        assert upstream.requests[0].complete


class TestABodyThatFails:
    class Broken(Exception):
        """What befell the client."""

    @pytest.mark.parametrize("length", [100, None])
    def test_its_exception_passes_and_the_request_never_looks_complete(
        self, exchange: Exchange, upstream: ScriptedUpstream, length: int | None
    ) -> None:
        upstream.plays(receive(), answer(200))
        broken = self.Broken("the client left")

        with pytest.raises(self.Broken) as failure:
            exchange(
                body=pieces(b"half", b"more", broken, rest_seconds=0.02), content_length=length
            )

        seen = upstream.next_request()
        seen.wait_until_read()
        assert failure.value is broken
        assert not seen.complete

    @pytest.mark.parametrize("parts", [[b"half"], [b"ha", b"lf"]])
    def test_a_body_shorter_than_it_said_never_looks_complete(
        self, exchange: Exchange, upstream: ScriptedUpstream, parts: list[bytes]
    ) -> None:
        upstream.plays(receive(), answer(200))

        with pytest.raises(BadRequest):
            exchange(body=pieces(*parts, rest_seconds=0.02), content_length=100)

        seen = upstream.next_request()
        seen.wait_until_read()
        assert not seen.complete

    @pytest.mark.parametrize("parts", [[b"too long"], [b"too", b" long"], [b"just", b"one"]])
    def test_a_body_longer_than_it_said_is_broken_off(
        self, exchange: Exchange, parts: list[bytes]
    ) -> None:
        with pytest.raises(BadRequest):
            exchange(body=pieces(*parts), content_length=4)


class TestConnections:
    def test_one_is_used_for_request_after_request(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        async def main() -> None:
            async with connect() as client:
                for _ in range(20):
                    await body_of(client, request(body=b"{}"))

        run(main())

        assert len({seen.connection for seen in upstream.requests}) == 1

    def test_idle_ones_that_the_upstream_closed_cost_no_request(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        async def main() -> None:
            async with connect() as client:
                for _ in range(60):
                    await body_of(client, request(body=b"{}"))
                    await asyncio.to_thread(upstream.close_connections)

        run(main())

        assert len(upstream.requests) == 60

    def test_what_follows_an_answer_never_answers_the_next_request(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        stray = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
        scripts: list[list[Step]] = [
            [send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + stray)],
            [send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + stray)],
            [send(b"HTTP/1.1 204 No Content\r\n\r\n" + stray)],
            [answer(200, (), b"ok"), pause(0.01), send(stray)],
            [answer(200, (), b"ok"), pause(0.01), send(b"\r\n")],
        ]
        for script in scripts:
            upstream.plays(receive(), *script, stall())

        async def main() -> list[bytes]:
            answers: list[bytes] = []
            async with connect() as client:
                for _ in scripts:
                    answers.append(await body_of(client, request("GET")))
                    await asyncio.sleep(0.05)
            return answers

        assert run(main()) == [b"ok", b"", b"", b"ok", b"ok"]
        assert len({seen.connection for seen in upstream.requests}) == len(scripts)

    @pytest.mark.parametrize(
        "so_far", [[stall()], [head(200, CHUNKED), chunk(b"x"), stall()]], ids=["head", "body"]
    )
    def test_leaving_the_block_closes_the_upstream_at_once(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream, so_far: list[Step]
    ) -> None:
        upstream.plays(receive(), *so_far)

        async def main() -> float:
            async with connect() as client:
                answered = asyncio.create_task(body_of(client, request(body=b"{}")))
                seen = await asyncio.to_thread(upstream.next_request)
                await asyncio.sleep(0.05)
                left_at = time.monotonic()
                answered.cancel()
                await asyncio.wait((answered,))
                await asyncio.to_thread(seen.departure.wait)
                return seen.departure.at - left_at

        assert run(main()) < 1

    def test_leaving_a_large_answer_closes_the_upstream_at_once(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), answer(200, (), bytes(32 * MIB)))

        async def main() -> float:
            async with connect() as client:
                async with client.send(request(body=b"{}")) as answer:
                    await anext(aiter(answer.body))
                left_at = time.monotonic()
                departure = upstream.next_request().departure
                await asyncio.to_thread(departure.wait)
                return departure.at - left_at

        assert run(main()) < 1


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

    def test_a_certificate_of_another_name_makes_it_unreachable(
        self, run: Run, connect: Connect, authority: Authority, secured: ScriptedUpstream
    ) -> None:
        url = secured.url.replace("127.0.0.1", "127.0.0.2")

        with pytest.raises(UpstreamUnreachable):
            run(_ask(connect(url, trusted=authority.for_clients())))

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


class TestCancellation:
    """A task may be cancelled at any await, and costs nobody else anything."""

    slots: ClassVar = {"max_connections": 10, "max_keepalive_connections": 10}

    @pytest.mark.parametrize("steps", range(0, 40, 4))
    @pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
    def test_twenty_cancelled_requests_leave_room_for_twenty_more(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream, steps: int, *, again: bool
    ) -> None:
        upstream.otherwise_plays(
            receive(), head(200, CHUNKED), chunk(b"a"), chunk(b"b"), end_of_chunks()
        )

        async def main() -> list[bytes]:
            async with connect(limits=self.slots) as client:
                await _cancel_after(steps, [_start(client) for _ in range(20)], again=again)
                return await asyncio.gather(*[_start(client) for _ in range(20)])

        assert run(main()) == [b"ab"] * 20

    def test_hundreds_of_random_cuts_leave_the_pool_whole_and_no_descriptor_behind(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        upstream.otherwise_plays(
            receive(),
            pause(0.002),
            head(200, CHUNKED),
            chunk(b"a"),
            pause(0.002),
            chunk(b"b"),
            end_of_chunks(),
        )
        chance = random.Random(20)
        before = open_descriptors()

        async def main() -> list[bytes]:
            async with connect(limits=self.slots) as client:
                for _ in range(15):
                    requests = [_start(client) for _ in range(20)]
                    for cut in requests:
                        await asyncio.sleep(chance.random() * 0.001)
                        cut.cancel()
                    await asyncio.wait(requests)
                after = await asyncio.gather(*[_start(client) for _ in range(20)])
                assert _tasks_left() == set()
            return after

        assert run(main()) == [b"ab"] * 20
        _wait_for_descriptors(before + 4)

    def test_a_body_is_not_read_any_more_once_the_exchange_is_over(
        self, run: Run, connect: Connect, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(stall())
        is_waited_for = asyncio.Event()
        is_over = False

        async def body() -> AsyncIterator[bytes]:
            nonlocal is_over
            yield b"x"
            is_waited_for.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.02)
                is_over = True

        async def main() -> bool:
            async with connect() as client:
                sending = asyncio.create_task(body_of(client, request(body=body())))
                await is_waited_for.wait()
                sending.cancel()
                await asyncio.wait((sending,))
                return is_over

        assert run(main())


async def _endless(piece: bytes) -> AsyncIterator[bytes]:
    while True:
        yield piece


async def _half_a_body() -> AsyncIterator[bytes]:
    yield b"half"
    await asyncio.Event().wait()


def _start(client: HttpxUpstream) -> asyncio.Task[bytes]:
    return asyncio.create_task(body_of(client, request(body=b"{}")))


async def _cancel_after(
    steps: int, tasks: list[asyncio.Task[bytes]], *, again: bool = False
) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    if again:
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
    await asyncio.wait(tasks)


def _tasks_left() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def _wait_for_descriptors(at_most: int) -> None:
    wait_until(lambda: open_descriptors() <= at_most)
