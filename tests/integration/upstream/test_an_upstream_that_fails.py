"""Each way in which an upstream can fail has its error, over either transport and event loop."""

import asyncio
import socket
import time

import pytest
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
)
from tests.upstream_client import Connect, Exchange, Run, body_of, pieces, request, take_each

from openai_proxy.domain.errors import (
    Overloaded,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
)


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
                await take_each(answer, received.extend)

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
