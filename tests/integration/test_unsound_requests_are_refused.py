"""What could be read in two ways is refused, hides no second request, and ends its connection."""

import json

import pytest
from tests.raw_client import Answer, RawClient, connected
from tests.running_proxy import RunningProxy
from tests.scripted_upstream import (
    CHUNKED,
    ScriptedUpstream,
    chunk,
    end_of_chunks,
    head,
    receive,
)

SMUGGLED = b"GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED_HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def post(*lines: bytes, body: bytes = b"hello") -> bytes:
    head = [b"POST /v1/responses HTTP/1.1", b"Host: localhost", *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def get(
    line: bytes = b"GET /v1/models HTTP/1.1", *lines: bytes, host: bytes = b"localhost"
) -> bytes:
    return b"\r\n".join([line, b"Host: " + host, *lines]) + b"\r\n\r\n"


AMBIGUOUS_FRAMING = {
    "length and chunked": post(
        b"Content-Length: 5", b"Transfer-Encoding: chunked", body=CHUNKED_HELLO
    ),
    "chunked and length": post(
        b"Transfer-Encoding: chunked", b"Content-Length: 5", body=CHUNKED_HELLO
    ),
    "two lengths": post(b"Content-Length: 5", b"Content-Length: 6"),
    "the same length twice": post(b"Content-Length: 5", b"Content-Length: 5"),
    "a list of lengths": post(b"Content-Length: 5, 5"),
    "a signed length": post(b"Content-Length: +5"),
    "a negative length": post(b"Content-Length: -5"),
    "a hexadecimal length": post(b"Content-Length: 0x5"),
    "an empty length": post(b"Content-Length: "),
    "a fractional length": post(b"Content-Length: 5.0"),
    "a length with a space inside": post(b"Content-Length: 1 5"),
    "a length beyond 64 bits": post(b"Content-Length: 99999999999999999999"),
    "a space before the colon": post(b"Content-Length : 5"),
    "a folded length": post(b"Content-Length:\r\n 5"),
    "gzip, chunked": post(b"Transfer-Encoding: gzip, chunked", body=CHUNKED_HELLO),
    "chunked, gzip": post(b"Transfer-Encoding: chunked, gzip", body=CHUNKED_HELLO),
    "chunked twice": post(
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=CHUNKED_HELLO
    ),
    "chunked, chunked": post(b"Transfer-Encoding: chunked, chunked", body=CHUNKED_HELLO),
    "identity": post(b"Transfer-Encoding: identity"),
    "xchunked": post(b"Transfer-Encoding: xchunked", body=CHUNKED_HELLO),
    "quoted chunked": post(b'Transfer-Encoding: "chunked"', body=CHUNKED_HELLO),
    "a vertical tab before chunked": post(b"Transfer-Encoding: \x0bchunked", body=CHUNKED_HELLO),
    "a space before the colon of chunked": post(b"Transfer-Encoding : chunked", body=CHUNKED_HELLO),
    "a body lost to an upgrade": post(
        b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 5"
    ),
    "chunks lost to an upgrade": post(
        b"Connection: Upgrade", b"Upgrade: h2c", b"Transfer-Encoding: chunked", body=CHUNKED_HELLO
    ),
}

BAD_CHUNKS = {
    "a size that is no number": b"zz\r\nhello\r\n0\r\n\r\n",
    "a size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a signed size": b"+5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "a space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "a bare line feed after the size": b"5\nhello\r\n0\r\n\r\n",
    "a bare line feed after the data": b"5\r\nhello\n0\r\n\r\n",
    "a bare carriage return after the size": b"5\rhello\r\n0\r\n\r\n",
    "data longer than its size": b"4\r\nhello\r\n0\r\n\r\n",
    "a bare line feed in an extension": b"5;x=\ny\r\nhello\r\n0\r\n\r\n",
    "a bare line feed in the trailers": b"5\r\nhello\r\n0\r\nx: y\n\r\n",
    "a length among the trailers": b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
}

OTHER_UNSOUND_HEADS = {
    "a bare line feed after the request line": get().replace(b"\r\n", b"\n", 1),
    "bare line feeds throughout": get().replace(b"\r\n", b"\n"),
    "a bare line feed at the end of the head": get()[:-2] + b"\n",
    "a bare carriage return in a value": get(b"GET /v1/models HTTP/1.1", b"x: a\rb"),
    "NUL in a value": get(b"GET /v1/models HTTP/1.1", b"x: a\0b"),
    "NUL in a name": get(b"GET /v1/models HTTP/1.1", b"x\0y: a"),
    "a folded value": get(b"GET /v1/models HTTP/1.1", b"x: a\r\n b"),
    "a field without a colon": get(b"GET /v1/models HTTP/1.1", b"nonsense"),
    "a field without a name": get(b"GET /v1/models HTTP/1.1", b": nonsense"),
    "HTTP/0.9": get(b"GET /v1/models HTTP/0.9"),
    "HTTP/1.2": get(b"GET /v1/models HTTP/1.2"),
    "HTTP/2.0": get(b"GET /v1/models HTTP/2.0"),
    "no version": get(b"GET /v1/models"),
    "a space in the target": get(b"GET /v1/mod els HTTP/1.1"),
    "a byte beyond ASCII in the target": get(b"GET /v1/mod\xffels HTTP/1.1"),
    "a method in lower case": get(b"get /v1/models HTTP/1.1"),
    "CONNECT": get(b"CONNECT evil.example:443 HTTP/1.1"),
    "no host": b"GET /v1/models HTTP/1.1\r\n\r\n",
    "two hosts": get(b"GET /v1/models HTTP/1.1", b"Host: localhost"),
    "an empty host": get(host=b""),
    "a host with a path": get(host=b"localhost/x"),
    "a host with credentials": get(host=b"user@localhost"),
}


def answer_before_the_end(client: RawClient) -> Answer | None:
    """What the proxy says before it ends the connection, if it says anything."""
    try:
        return client.receive_answer()
    except ConnectionError:
        return None


def assert_refused(answer: Answer | None) -> None:
    if answer is not None:
        error = json.loads(answer.body)["error"]
        assert (answer.status, error["type"], error["code"]) == (400, "proxy_error", "bad_request")


@pytest.mark.parametrize("raw", AMBIGUOUS_FRAMING.values(), ids=AMBIGUOUS_FRAMING.keys())
def test_ambiguous_framing_goes_nowhere(
    proxy: RunningProxy, upstream: ScriptedUpstream, raw: bytes
) -> None:
    with connected(proxy.address) as client:
        client.send(raw + SMUGGLED)
        answer = answer_before_the_end(client)

        assert_refused(answer)
        assert client.is_closed()
    assert upstream.requests == []


@pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
def test_a_bad_chunk_never_becomes_a_whole_request(
    proxy: RunningProxy, upstream: ScriptedUpstream, chunks: bytes
) -> None:
    with connected(proxy.address) as client:
        client.send(post(b"Transfer-Encoding: chunked", body=chunks) + SMUGGLED)
        answer = answer_before_the_end(client)

        assert_refused(answer)
        assert client.is_closed()
    assert [request for request in upstream.requests if request.complete] == []


@pytest.mark.parametrize("raw", OTHER_UNSOUND_HEADS.values(), ids=OTHER_UNSOUND_HEADS.keys())
def test_an_unsound_head_goes_nowhere(
    proxy: RunningProxy, upstream: ScriptedUpstream, raw: bytes
) -> None:
    with connected(proxy.address) as client:
        client.send(raw + SMUGGLED)
        answer = answer_before_the_end(client)

        assert_refused(answer)
        assert client.is_closed()
    assert upstream.requests == []


def test_a_trailer_never_becomes_a_header_field(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    trailers = b"5\r\nhello\r\n0\r\nAuthorization: Bearer sk-trailer\r\nX-Trailer: 1\r\n\r\n"

    client.send(post(b"Transfer-Encoding: chunked", b"Trailer: X-Trailer", body=trailers))
    client.receive_answer()

    names = {name.lower() for name, _ in upstream.requests[0].headers}
    assert not names & {b"authorization", b"x-trailer", b"trailer"}


def test_an_upgrade_to_anything_but_websocket_is_ignored(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    client.send(get(b"GET /v1/models HTTP/1.1", b"Connection: Upgrade", b"Upgrade: h2c"))
    answer = client.receive_answer()

    assert answer.status == 200
    assert upstream.requests[0].values(b"upgrade") == []


class TestLimitsOfAHead:
    def refusal(self, client: RawClient) -> tuple[int, str]:
        answer = client.receive_answer()
        return answer.status, json.loads(answer.body)["error"]["code"]

    def test_more_fields_than_allowed(self, client: RawClient, upstream: ScriptedUpstream) -> None:
        client.send(get(b"GET /v1/models HTTP/1.1", *[b"x: y"] * 100))

        assert self.refusal(client) == (431, "request_too_large")
        assert upstream.requests == []

    def test_fifty_thousand_small_fields(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        client.send(get(b"GET /v1/models HTTP/1.1", *[b"x: y"] * 50_000))

        assert self.refusal(client) == (431, "request_too_large")
        assert upstream.requests == []

    def test_longer_fields_than_allowed(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        client.send(get(b"GET /v1/models HTTP/1.1", b"x: " + b"y" * 64 * 1024))

        assert self.refusal(client) == (431, "request_too_large")
        assert upstream.requests == []

    def test_a_longer_target_than_allowed(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        client.send(get(b"GET /v1/" + b"x" * 16 * 1024 + b" HTTP/1.1"))

        assert self.refusal(client) == (414, "request_too_large")
        assert upstream.requests == []

    def test_a_head_without_end(self, proxy: RunningProxy) -> None:
        with connected(proxy.address) as client:
            client.send(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nx: ")
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                client.send(b"y" * 64 * 1024 * 1024)


def test_an_answer_of_unknown_length_reaches_an_old_client_unframed(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(receive(), head(200, CHUNKED), chunk(b"hel"), chunk(b"lo"), end_of_chunks())

    client.send(b"GET /v1/models HTTP/1.0\r\nHost: localhost\r\n\r\n")
    _, headers = client.receive_head()
    body = b"".join(client.pieces(headers))

    assert (dict(headers), body) == ({b"connection": b"close"}, b"hello")
