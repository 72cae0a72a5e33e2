"""What the upstream sees of a request, over either transport and event loop."""

import hashlib
import os

import pytest
from tests.scripted_upstream import ScriptedUpstream, answer, receive
from tests.upstream_client import Connect, Exchange, Run, body_of, pieces, request

from openai_proxy.domain.errors import BadRequest

MIB = 1024 * 1024


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
