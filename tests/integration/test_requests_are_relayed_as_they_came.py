"""What the client sends is what the upstream receives: method, fields and body."""

import gzip
import json

import pytest
from tests.http_fields import end_to_end, lowered
from tests.raw_client import RawClient, chunked, connected, request
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import (
    CHUNKED,
    ScriptedUpstream,
    answer,
    head,
    receive,
)

METHODS = [
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"PATCH",
    b"DELETE",
    b"OPTIONS",
    b"PROPFIND",
    b"REPORT",
    b"QUERY",
]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_reaches_the_upstream(
    client: RawClient, upstream: ScriptedUpstream, method: bytes
) -> None:
    got = client.ask(method, b"/v1/anything")

    assert got.status == 200
    assert upstream.requests[0].line == method + b" /v1/anything HTTP/1.1"
    assert upstream.requests[0].body == b""


@pytest.mark.parametrize("method", [b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"QUERY"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["by length", "chunked"])
def test_a_body_reaches_the_upstream_with_every_method(
    client: RawClient, upstream: ScriptedUpstream, method: bytes, *, is_chunked: bool
) -> None:
    body = bytes(range(256))
    if is_chunked:
        client.send(request(method, b"/v1/x", CHUNKED, chunked(body[:100], body[100:])))
    else:
        client.send(request(method, b"/v1/x", body=body))
    client.receive_answer()

    assert upstream.requests[0].method == method
    assert upstream.requests[0].body == body


def test_a_body_has_one_framing_upstream(client: RawClient, upstream: ScriptedUpstream) -> None:
    client.ask(b"POST", b"/v1/x", body=b"12345")
    client.ask(b"POST", b"/v1/x", CHUNKED, chunked(b"12345"))
    client.ask(b"POST", b"/v1/x", body=b"")
    client.ask(b"GET", b"/v1/x")

    framings = [
        (received.values(b"content-length"), received.values(b"transfer-encoding"))
        for received in upstream.requests
    ]
    assert framings == [([b"5"], []), ([], [b"chunked"]), ([b"0"], []), ([], [])]


def test_fields_keep_their_order_their_duplicates_and_their_bytes(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    fields = [
        (b"Authorization", b"Bearer sk-one"),
        (b"OpenAI-Organization", b"org-1"),
        (b"X-Twice", b"first"),
        (b"User-Agent", b"OpenAI/Python 1.0"),
        (b"X-Twice", b"second"),
        (b"Accept", b"text/event-stream, */*;q=0.1"),
        (b"Cookie", b"a=1; b=2"),
        (b"X-Latin", "naïve".encode("latin-1")),
        (b"X-Utf8", "naïve 🙂".encode()),
        (b"X-High", bytes(range(0x80, 0x100))),
        (b"X-Empty", b""),
        (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        (b"Accept-Encoding", b"gzip, br, zstd"),
    ]

    client.ask(b"GET", b"/v1/models", fields)

    assert end_to_end(upstream.requests[0].headers) == lowered(fields)


def test_fields_of_this_hop_and_of_the_platform_stop_here(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    stopped = [
        (b"Connection", b"X-Named, Keep-Alive"),
        (b"X-Named", b"hop"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Proxy-Authorization", b"Basic eDp5"),
        (b"Proxy-Connection", b"keep-alive"),
        (b"Trailer", b"X-Sum"),
        (b"X-Forwarded-For", b"203.0.113.9"),
        (b"X-Forwarded-Proto", b"https"),
        (b"Forwarded", b"for=203.0.113.9"),
        (b"X-Real-IP", b"203.0.113.9"),
        (b"CF-Connecting-IP", b"203.0.113.9"),
        (b"X-Cloud-Trace-Context", b"105445aa7843bc8bf206b12000100000/1;o=1"),
        (b"X-Serverless-Authorization", b"Bearer google"),
        (b"X-Goog-Authenticated-User-Email", b"a@example.com"),
    ]
    kept = [
        (b"Authorization", b"Bearer sk-one"),
        (b"X-Goog-Api-Key", b"google-key"),
        (b"X-Goog-User-Project", b"billing"),
        (b"X-Anything", b"else"),
    ]

    client.ask(b"GET", b"/v1/models", [*stopped, *kept])

    assert end_to_end(upstream.requests[0].headers) == lowered(kept)


def test_only_trailers_are_asked_for_in_te(client: RawClient, upstream: ScriptedUpstream) -> None:
    client.ask(b"GET", b"/v1/models", [(b"TE", b"trailers")])
    client.ask(b"GET", b"/v1/models", [(b"TE", b"gzip;q=0.5")])

    assert [received.values(b"te") for received in upstream.requests] == [[b"trailers"], []]


def test_the_upstream_sees_its_own_host_and_who_relayed(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    client.ask(b"GET", b"/v1/models", [(b"Host", b"localhost:1234"), (b"Via", b"1.1 before")])

    hosts, vias = (upstream.requests[0].values(name) for name in (b"host", b"via"))
    assert hosts == [upstream.address.encode()]
    assert vias[0] == b"1.1 before"
    assert vias[1].startswith(b"1.1 ")


@pytest.fixture(scope="module")
def compressing(start_proxy: StartProxy) -> RunningProxy:
    return start_proxy(COMPRESSION_RATIO="2")


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd", b"deflate"])
def test_a_body_with_a_content_encoding_is_not_touched(
    compressing: RunningProxy, upstream: ScriptedUpstream, coding: bytes
) -> None:
    chat = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "one two three"}]}'
    body = gzip.compress(chat, mtime=0)
    fields = [(b"Content-Type", b"application/json"), (b"Content-Encoding", coding)]

    with connected(compressing.address) as client:
        client.ask(b"POST", b"/v1/chat/completions", fields, body)

    assert upstream.requests[0].body == body
    assert upstream.requests[0].values(b"content-encoding") == [coding]


def test_a_client_that_expects_100_is_told_to_continue(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    client.send(
        request(b"POST", b"/v1/x", [(b"Expect", b"100-continue"), (b"Content-Length", b"4")])
    )
    status, _ = client.receive_head()
    client.send(b"body")

    assert status == 100
    assert client.receive_answer().status == 200
    assert upstream.requests[0].body == b"body"


def test_requests_in_a_row_on_one_connection_are_answered_in_turn(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    for n in range(3):
        upstream.plays(receive(), answer(200, [], b"%d" % n))

    client.send(b"".join(request(b"POST", b"/v1/%d" % n, body=b"x") for n in range(3)))
    answers = [client.receive_answer().body for _ in range(3)]

    assert answers == [b"0", b"1", b"2"]
    assert [received.target for received in upstream.requests] == [b"/v1/0", b"/v1/1", b"/v1/2"]


def test_nothing_is_remembered_from_one_request_to_the_next(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(answer(200, [(b"Set-Cookie", b"session=1")]))

    client.ask(b"GET", b"/v1/models", [(b"Authorization", b"Bearer sk-one")])
    client.ask(b"GET", b"/v1/models")

    assert end_to_end(upstream.requests[1].headers) == []


def test_an_early_answer_reaches_a_client_that_is_still_sending(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    refusal = b'{"error": {"message": "too large"}}'
    upstream.plays(answer(413, [(b"Connection", b"close")], refusal))

    client.send(request(b"POST", b"/v1/files", [(b"Content-Length", b"10000000")]) + bytes(65536))
    got = client.receive_answer()

    assert (got.status, got.body, got.complete) == (413, refusal, True)
    assert not upstream.requests[0].complete


def test_a_head_request_in_mid_row_has_no_body_to_wait_for(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(head(200, [(b"Content-Length", b"99")]))
    client.send(request(b"HEAD", b"/v1/1") + request(b"GET", b"/v1/2"))

    first = client.receive_answer(has_body=False)
    second = client.receive_answer()

    assert (first.values(b"content-length"), second.status) == ([b"99"], 200)


def test_a_request_that_comes_back_is_answered_at_once(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    client.ask(b"GET", b"/v1/models")
    (via,) = upstream.requests[0].values(b"via")
    upstream.forget()

    looped = client.ask(b"GET", b"/v1/models", [(b"Via", via)])

    assert looped.status == 508
    assert json.loads(looped.body)["error"]["code"] == "loop_detected"
    assert upstream.requests == []
