"""What comes back from the upstream, in time or early, over either transport and event loop."""

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator

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
    until,
)
from tests.upstream_client import (
    Connect,
    Exchange,
    Run,
    body_of,
    pieces,
    request,
    take_each,
    whole_body,
)

MIB = 1024 * 1024


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

            def take(piece: bytes) -> None:
                received.append(piece)
                seen[len(received) - 1].set()

            async with connect() as client, client.send(request("GET")) as answer:
                await take_each(answer, take)
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
                return answer.status, await whole_body(answer)

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


async def _endless(piece: bytes) -> AsyncIterator[bytes]:
    while True:
        yield piece


async def _half_a_body() -> AsyncIterator[bytes]:
    yield b"half"
    await asyncio.Event().wait()
