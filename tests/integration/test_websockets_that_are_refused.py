"""Handshakes that end in an ordinary answer: the upstream's, or the proxy's own."""

import json
import socket
import time
from pathlib import Path

import pytest
from tests.certificates import Authority
from tests.raw_client import Answer, connected, request
from tests.running_proxy import RunningProxy, StartProxy, wait_for
from tests.scripted_upstream import (
    CHUNKED,
    ScriptedUpstream,
    Step,
    answer,
    chunk,
    close,
    end_of_chunks,
    head,
    receive,
    reset,
    send,
    stall,
)
from tests.websocket_client import TEXT, frame, handshake, websocket
from tests.websocket_upstream import WebSocketUpstream
from websockets.exceptions import InvalidStatus

UNAUTHORIZED = b'{"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}'
JSON = (b"Content-Type", b"application/json")


def _refusal(proxy: RunningProxy, asked: bytes | None = None) -> Answer:
    with connected(proxy.address) as client:
        client.send(handshake() if asked is None else asked)
        return client.receive_answer()


def _code(refused: Answer) -> str:
    error = json.loads(refused.body)["error"]
    assert error["type"] == "proxy_error"
    return str(error["code"])


def test_the_upstreams_refusal_is_the_clients_to_see(
    proxy: RunningProxy, upstream: ScriptedUpstream
) -> None:
    fields = [JSON, (b"X-Request-Id", b"req_1"), (b"X-Twice", b"1"), (b"X-Twice", b"2")]
    upstream.plays(receive(), answer(401, fields, UNAUTHORIZED))

    got = _refusal(proxy)

    assert (got.status, got.body, got.complete) == (401, UNAUTHORIZED, True)
    assert got.values(b"content-type") == [b"application/json"]
    assert got.values(b"x-request-id") == [b"req_1"]
    assert got.values(b"x-twice") == [b"1", b"2"]


def test_a_real_client_sees_why_it_was_refused(
    proxy: RunningProxy, upstream: ScriptedUpstream
) -> None:
    upstream.plays(receive(), answer(401, [JSON], UNAUTHORIZED))

    with pytest.raises(InvalidStatus) as refused, websocket(proxy):
        pass

    assert refused.value.response.status_code == 401
    assert refused.value.response.body == UNAUTHORIZED


BODIES: dict[str, tuple[Step, ...]] = {
    "by length": (answer(404, (), b"nothing here"),),
    "chunked": (head(404, CHUNKED), chunk(b"nothing "), chunk(b"here"), end_of_chunks()),
    "by the connection's end": (head(404), send(b"nothing here"), close()),
}


@pytest.mark.parametrize("script", BODIES.values(), ids=BODIES)
def test_a_refusals_body_is_whole_however_it_was_framed(
    proxy: RunningProxy, upstream: ScriptedUpstream, script: tuple[Step, ...]
) -> None:
    upstream.plays(receive(), *script)

    got = _refusal(proxy)

    assert (got.status, got.body, got.complete) == (404, b"nothing here", True)


def test_a_redirect_is_passed_on_and_not_followed(
    proxy: RunningProxy, upstream: ScriptedUpstream
) -> None:
    upstream.plays(receive(), answer(307, [(b"Location", upstream.url.encode() + b"/else")]))

    got = _refusal(proxy)

    assert got.status == 307
    assert got.values(b"location") == [upstream.url.encode() + b"/else"]
    assert len(upstream.requests) == 1


def test_an_upstream_that_answers_as_if_it_were_plain_http_is_passed_on(
    proxy: RunningProxy, upstream: ScriptedUpstream
) -> None:
    upstream.plays(receive(), answer(200, [JSON], b"{}"))

    got = _refusal(proxy)

    assert (got.status, got.body) == (200, b"{}")


NO_ANSWERS: dict[str, tuple[Step, ...]] = {
    "nothing": (close(),),
    "reset": (reset(),),
    "half a head": (send(b"HTTP/1.1 101 Switching"), close()),
    "garbage": (send(b"\x00\xff\r\n\r\n"),),
    "consent without proof": (
        head(101, [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")]),
    ),
    "half a refusal": (head(401, [(b"Content-Length", b"10")]), send(b"half"), close()),
    "nothing but an interim answer": (head(103), close()),
}


@pytest.mark.parametrize("script", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_no_sound_answer_is_a_502(
    proxy: RunningProxy, upstream: ScriptedUpstream, script: tuple[Step, ...]
) -> None:
    upstream.plays(receive(), *script)

    got = _refusal(proxy)

    assert got.status == 502
    assert _code(got) in ("upstream_unreachable", "upstream_protocol_error")


def test_an_upstream_that_is_not_there_is_a_502(start_proxy: StartProxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    proxy = start_proxy(UPSTREAM_BASE_URL=f"http://127.0.0.1:{port}/v1")

    asked_at = time.monotonic()
    got = _refusal(proxy)

    assert (got.status, _code(got)) == (502, "upstream_unreachable")
    assert time.monotonic() - asked_at < 1


def test_an_upstream_that_speaks_no_tls_is_a_502(
    start_proxy: StartProxy, proxy: RunningProxy
) -> None:
    tls_proxy = start_proxy(UPSTREAM_BASE_URL=f"https://{proxy.address}/v1")

    asked_at = time.monotonic()
    got = _refusal(tls_proxy)

    assert (got.status, _code(got)) == (502, "upstream_unreachable")
    assert time.monotonic() - asked_at < 3


def test_an_upstream_that_cannot_prove_who_it_is_is_a_502(
    start_proxy: StartProxy, tmp_path: Path
) -> None:
    authority = Authority.made_in(tmp_path)
    with WebSocketUpstream(tls=authority.for_servers()) as upstream:
        got = _refusal(start_proxy(UPSTREAM_BASE_URL=upstream.url))

    assert (got.status, _code(got)) == (502, "upstream_unreachable")


def test_a_silent_upstream_is_a_504(start_proxy: StartProxy, upstream: ScriptedUpstream) -> None:
    proxy = start_proxy(UPSTREAM_READ_TIMEOUT_S="0.3")
    upstream.plays(receive(), stall())

    got = _refusal(proxy)

    assert (got.status, _code(got)) == (504, "upstream_timeout")


UNSOUND = {
    "a dotted path": (handshake(b"/v1/../realtime"), 400),
    "an encoded dotted path": (handshake(b"/v1/%2e%2e/realtime"), 400),
    "two slashes": (handshake(b"//evil.example/realtime"), 400),
    "no key": (handshake().replace(b"Sec-WebSocket-Key", b"X-Key"), 400),
    "an old version": (handshake().replace(b"Version: 13", b"Version: 8"), 400),
    "two hosts": (handshake(headers=[(b"Host", b"localhost"), (b"Host", b"evil")]), 400),
    "a body": (handshake(headers=[(b"Content-Length", b"1")]), 400),
    "HTTP/1.0": (handshake().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "a method other than GET": (handshake().replace(b"GET ", b"POST "), 405),
    "a long line": (handshake(headers=[(b"Authorization", b"x" * 9000)]), 431),
    "a long target": (handshake(b"/v1/realtime?x=" + b"x" * 9000), 414),
    "many fields": (handshake(headers=[(b"X-Field", b"")] * 130), 431),
    "a control character": (handshake(headers=[(b"X-Field", b"\x01")]), 400),
    "a subprotocol that is none": (handshake(headers=[(b"Sec-WebSocket-Protocol", b"a b")]), 400),
}


@pytest.mark.parametrize(("request_bytes", "status"), UNSOUND.values(), ids=UNSOUND)
def test_an_unsound_handshake_goes_nowhere(
    proxy: RunningProxy, upstream: ScriptedUpstream, request_bytes: bytes, status: int
) -> None:
    got = _refusal(proxy, request_bytes)

    assert got.status == status
    assert _code(got) in ("bad_request", "request_too_large")
    assert upstream.requests == []


def test_what_comes_before_consent_ends_the_connection(
    proxy: RunningProxy, upstream: ScriptedUpstream
) -> None:
    upstream.plays(receive(), stall())
    with connected(proxy.address) as client:
        client.send(handshake())
        asked = upstream.next_request()
        client.send(frame(TEXT, b"too early"))

        asked.departure.wait()
        with pytest.raises(ConnectionError):
            client.receive_answer()


def test_a_handshake_behind_a_request_without_its_answer_ends_the_connection(
    proxy: RunningProxy, upstream: ScriptedUpstream
) -> None:
    upstream.plays(receive(), stall())
    with connected(proxy.address) as client:
        client.send(request(b"GET", b"/v1/models") + handshake())

        assert client.is_closed()
    assert all(asked.departure.wait() for asked in upstream.requests)
    assert b"/v1/realtime" not in {asked.target for asked in upstream.requests}


def test_nobody_opens_a_websocket_to_a_local_page(
    proxy: RunningProxy, upstream: ScriptedUpstream
) -> None:
    assert _refusal(proxy, handshake(b"/health")).status in (403, 404)
    assert upstream.requests == []


def test_websockets_and_requests_share_the_limit_on_what_is_under_way(
    start_proxy: StartProxy, realtime: WebSocketUpstream
) -> None:
    proxy = start_proxy(MAX_CONCURRENCY="1", UPSTREAM_BASE_URL=realtime.url)
    with websocket(proxy) as client:
        realtime.next_session()
        with connected(proxy.address) as other:
            too_many = other.ask(b"GET", b"/v1/models")
        handshake_too_many = _refusal(proxy)
        client.send("still there")
        assert client.recv() == "still there"

    for refused in (too_many, handshake_too_many):
        assert (refused.status, refused.values(b"retry-after")) == (503, [b"1"])
        assert _code(refused) == "overloaded"


def test_a_refused_handshake_leaves_room_for_the_next(
    start_proxy: StartProxy, realtime: WebSocketUpstream
) -> None:
    proxy = start_proxy(MAX_CONCURRENCY="1", UPSTREAM_BASE_URL=realtime.url)
    for _ in range(3):
        assert _refusal(proxy, handshake(b"/v1/../x")).status == 400

    with websocket(proxy) as client:
        client.send("room")
        assert client.recv() == "room"


def test_a_refusal_ends_the_connection_and_is_no_error_in_the_log(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy()
    upstream.plays(receive(), answer(401, [JSON], UNAUTHORIZED))
    with connected(proxy.address) as client:
        client.send(handshake())
        assert client.receive_answer().status == 401
        assert client.socket.recv(1000) == b""

    wait_for(proxy.request_log, "GET /v1/realtime 401")
    assert "ERROR" not in proxy.stderr
