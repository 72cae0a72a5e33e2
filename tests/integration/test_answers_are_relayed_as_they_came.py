"""What the upstream answers is the client's to see: status, fields and body, nothing decoded."""

import bz2
import gzip
import zlib

import pytest
from tests.http_fields import lowered
from tests.raw_client import Answer, RawClient, request
from tests.scripted_upstream import (
    CHUNKED,
    Headers,
    ScriptedUpstream,
    answer,
    chunk,
    close,
    end_of_chunks,
    head,
    receive,
    send,
)

JSON = (b"Content-Type", b"application/json")
NOT_REALLY_COMPRESSED = bytes(range(256)) * 16

BODIES_BY_CODING = {
    b"gzip": gzip.compress(b'{"object": "list"}' * 100, mtime=0),
    b"deflate": zlib.compress(b'{"object": "list"}' * 100),
    b"br": NOT_REALLY_COMPRESSED,
    b"zstd": b"\x28\xb5\x2f\xfd" + NOT_REALLY_COMPRESSED,
    b"gzip, br": NOT_REALLY_COMPRESSED,
    b"x-unheard-of": bz2.compress(b"anything"),
}


@pytest.mark.parametrize("coding", BODIES_BY_CODING)
@pytest.mark.parametrize("is_chunked", [False, True], ids=["by length", "chunked"])
def test_a_content_encoding_is_not_touched(
    client: RawClient, upstream: ScriptedUpstream, coding: bytes, *, is_chunked: bool
) -> None:
    body = BODIES_BY_CODING[coding]
    fields = [JSON, (b"Content-Encoding", coding), (b"ETag", b'W/"1"')]
    if is_chunked:
        cuts = [body[:10], body[10:11], body[11:]]
        upstream.plays(head(200, [*fields, *CHUNKED]), *map(chunk, cuts), end_of_chunks())
    else:
        upstream.plays(answer(200, fields, body))

    got = client.ask(b"GET", b"/v1/models", [(b"Accept-Encoding", coding)])

    assert (got.complete, got.body, got.values(b"content-encoding")) == (True, body, [coding])
    assert upstream.requests[0].values(b"accept-encoding") == [coding]


def test_a_client_that_accepts_no_encoding_is_not_made_to(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    client.ask(b"GET", b"/v1/models")

    names = {name.lower() for name, _ in upstream.requests[0].headers}
    assert names == {b"host", b"via"}


def test_fields_keep_their_order_their_duplicates_and_their_bytes(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    fields = [
        (b"X-Request-Id", b"req_1"),
        (b"Set-Cookie", b"a=1; Path=/"),
        (b"Server", b"cloudflare"),
        (b"Set-Cookie", b"b=2"),
        (b"Date", b"Mon, 01 Jan 2024 00:00:00 GMT"),
        (b"X-Latin", "naïve".encode("latin-1")),
        (b"X-Utf8", "naïve 🙂".encode()),
        (b"X-High", bytes(range(0x80, 0x100))),
        (b"X-Empty", b""),
        (b"set-cookie", b"c=3"),
        (b"Via", b"1.1 front"),
        (b"Content-Length", b"2"),
        (b"X-Last", b'"quoted", list;q=0.5'),
    ]
    upstream.plays(answer(200, fields, b"{}"))

    got = client.ask(b"GET", b"/v1/models")

    assert lowered(got.headers) == lowered(fields)


def test_fields_of_this_hop_stop_here(client: RawClient, upstream: ScriptedUpstream) -> None:
    upstream.plays(
        answer(
            200,
            [
                (b"Connection", b"X-Named, keep-alive"),
                (b"X-Named", b"hop"),
                (b"Keep-Alive", b"timeout=5"),
                (b"Proxy-Authenticate", b"Basic"),
                (b"Proxy-Connection", b"keep-alive"),
                (b"Trailer", b"X-Sum"),
                (b"Upgrade", b"h2c"),
                (b"X-Kept", b"end to end"),
            ],
        )
    )

    got = client.ask(b"GET", b"/v1/models")

    assert lowered(got.headers) == [(b"x-kept", b"end to end"), (b"content-length", b"0")]


def test_head_gets_the_fields_of_get_without_the_body(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(answer(200, [JSON, (b"Content-Length", b"1234")]))

    first = client.ask(b"HEAD", b"/v1/models")
    second = client.ask(b"GET", b"/v1/models")

    assert lowered(first.headers) == lowered([JSON, (b"Content-Length", b"1234")])
    assert second.status == 200


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_by_its_status_has_none(
    client: RawClient, upstream: ScriptedUpstream, status: int
) -> None:
    upstream.plays(answer(status, [(b"ETag", b'"1"')]))

    first = client.ask(b"GET", b"/v1/models", [(b"If-None-Match", b'"1"')])
    second = client.ask(b"GET", b"/v1/models")

    assert first == Answer(status, [(b"etag", b'"1"')], b"", complete=True)
    assert second.status == 200


def test_an_empty_body_says_so(client: RawClient, upstream: ScriptedUpstream) -> None:
    upstream.plays(answer(200, [(b"Content-Length", b"0")]))

    got = client.ask(b"DELETE", b"/v1/files/file-1")

    assert got == Answer(200, [(b"content-length", b"0")], b"", complete=True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_the_clients_to_follow(
    client: RawClient, upstream: ScriptedUpstream, status: int
) -> None:
    with ScriptedUpstream() as elsewhere:
        where = f"http://{elsewhere.address}/v1/models".encode()
        upstream.plays(answer(status, [(b"Location", where)], b"moved"))

        got = client.ask(b"GET", b"/v1/models")

        assert (got.status, got.values(b"location"), got.body) == (status, [where], b"moved")
        assert elsewhere.connections == 0


ERRORS: dict[int, Headers] = {
    400: [],
    401: [(b"WWW-Authenticate", b'Bearer realm="OpenAI"')],
    404: [],
    429: [(b"Retry-After", b"7"), (b"Retry-After-Ms", b"6500"), (b"X-Should-Retry", b"true")],
    500: [(b"X-Request-Id", b"req_1")],
    503: [(b"Retry-After", b"Mon, 01 Jan 2024 00:00:00 GMT")],
}


@pytest.mark.parametrize("status", ERRORS)
def test_an_error_of_the_upstream_arrives_whole(
    client: RawClient, upstream: ScriptedUpstream, status: int
) -> None:
    body = b'{"error": {"message": "\\u00e9", "type": "x", "param": null, "code": null}}\n'
    fields = [JSON, *ERRORS[status]]
    upstream.plays(receive(), answer(status, fields, body))

    got = client.ask(b"POST", b"/v1/responses", [JSON], b"{}")

    length = (b"Content-Length", b"%d" % len(body))
    assert (got.status, got.body) == (status, body)
    assert lowered(got.headers) == lowered([*fields, length])
    assert len(upstream.requests) == 1


def test_interim_answers_are_not_taken_for_the_final_one(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(
        head(103, [(b"Link", b"</style.css>; rel=preload")]),
        head(102),
        receive(),
        head(100),
        answer(200, [], b"final"),
    )

    got = client.ask(b"POST", b"/v1/responses", [JSON], b"{}")

    assert (got.status, got.body) == (200, b"final")


def test_an_answer_ended_by_closing_is_whole(client: RawClient, upstream: ScriptedUpstream) -> None:
    upstream.plays(head(200, [JSON]), send(b"until the "), send(b"end"), close())

    got = client.ask(b"GET", b"/v1/models")

    assert (got.complete, got.body) == (True, b"until the end")


def test_trailers_of_an_answer_do_not_disturb_what_follows(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(head(200, CHUNKED), chunk(b"body"), send(b"0\r\nX-Sum: 1\r\n\r\n"))

    first = client.ask(b"GET", b"/v1/models")
    second = client.ask(b"GET", b"/v1/models")

    assert (first.complete, first.body, second.status) == (True, b"body", 200)


def test_a_client_of_http_1_0_gets_an_answer_without_chunks(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(head(200, CHUNKED), chunk(b"one "), chunk(b"two"), end_of_chunks())

    client.send(request(b"GET", b"/v1/models").replace(b"HTTP/1.1", b"HTTP/1.0"))
    got = client.receive_answer()

    assert (got.complete, got.body, got.values(b"transfer-encoding")) == (True, b"one two", [])
