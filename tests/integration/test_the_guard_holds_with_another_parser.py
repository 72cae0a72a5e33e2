"""Served with h11 instead of the command's own parser, the application refuses what it can see.

What h11 mends before anybody sees it (bare line feeds, folded lines, a length
said twice) goes on mended, with one framing; heads that never end are h11's.
"""

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from tests.raw_client import RawClient, connected
from tests.scripted_upstream import ScriptedUpstream
from tests.unsound_requests import (
    AMBIGUOUS_FRAMING,
    BAD_CHUNKS,
    OTHER_UNSOUND_HEADS,
    SMUGGLED,
    get,
    post,
)
from tests.waiting import wait_until

from openai_proxy.app import create_app
from openai_proxy.app.container import Container
from openai_proxy.app.settings import Settings

MENDED_BY_H11 = {
    "the same length twice",
    "a list of lengths",
    "a folded length",
    "a folded value",
    "a bare line feed after the request line",
    "a bare line feed in a value",
    "bare line feeds throughout",
    "a bare line feed at the end of the head",
    "a bare line feed in the trailers",
    "a length among the trailers",
    "a method in lower case",
}
BEYOND_LIMITS = {
    "more fields than allowed": get(b"GET /v1/models HTTP/1.1", *[b"x: y"] * 100),
    "a longer target than allowed": get(b"GET /v1/" + b"x" * 16 * 1024 + b" HTTP/1.1"),
    "a control byte in a value": get(b"GET /v1/models HTTP/1.1", b"x: a\x1bb"),
}
CASES = {
    **AMBIGUOUS_FRAMING,
    **OTHER_UNSOUND_HEADS,
    **{name: post(b"Transfer-Encoding: chunked", body=body) for name, body in BAD_CHUNKS.items()},
    **BEYOND_LIMITS,
}
REFUSED = {name: raw for name, raw in CASES.items() if name not in MENDED_BY_H11}
MENDED = {name: CASES[name] for name in sorted(MENDED_BY_H11)}


@pytest.fixture(scope="module")
def h11_address(_the_upstream: ScriptedUpstream) -> Iterator[str]:
    """Where the application is served by h11."""
    settings = Settings.from_env({"UPSTREAM_BASE_URL": _the_upstream.url, "LOG_FORMAT": "none"})
    application = create_app(Container(settings=settings))
    server = uvicorn.Server(
        uvicorn.Config(
            application, http="h11", host="127.0.0.1", port=0, log_config=None, log_level="critical"
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def _status(client: RawClient) -> int | None:
    try:
        return client.receive_answer().status
    except ConnectionError:
        return None


def test_a_sound_request_is_relayed(h11_address: str, upstream: ScriptedUpstream) -> None:
    with connected(h11_address) as client:
        assert client.ask(b"POST", b"/v1/responses", body=b"{}").status == 200

    assert upstream.requests[0].body == b"{}"


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_what_is_unsound_is_no_whole_request_and_hides_none(
    h11_address: str, upstream: ScriptedUpstream, raw: bytes
) -> None:
    with connected(h11_address) as client:
        client.send(raw + SMUGGLED)
        client.socket.shutdown(socket.SHUT_WR)
        status = _status(client)

        assert status in {None, 400, 414, 431}
        assert client.is_closed()
    assert [received for received in upstream.requests if received.complete] == []


@pytest.mark.parametrize("target", [b"http://evil.example/v1/models", b"/v1/../admin", b"//evil"])
def test_a_target_that_leads_elsewhere_is_refused(
    h11_address: str, upstream: ScriptedUpstream, target: bytes
) -> None:
    with connected(h11_address) as client:
        assert client.ask(b"GET", target).status == 400

    assert upstream.requests == []


@pytest.mark.parametrize("raw", MENDED.values(), ids=MENDED)
def test_what_the_parser_mends_goes_on_with_one_framing(
    h11_address: str, upstream: ScriptedUpstream, raw: bytes
) -> None:
    with connected(h11_address) as client:
        client.send(raw)
        status = _status(client)

    assert status == 200
    [received] = upstream.requests
    framing = received.values(b"content-length") + received.values(b"transfer-encoding")
    assert framing in ([], [b"5"], [b"chunked"])
    assert not any(b"\n" in value for _, value in received.headers)


def test_a_chunk_of_two_to_the_sixtieth_is_never_waited_for_in_memory(
    h11_address: str, upstream: ScriptedUpstream
) -> None:
    with connected(h11_address) as client:
        client.send(post(b"Transfer-Encoding: chunked", body=b"1000000000000000\r\nhello"))
        received = upstream.next_request()

    received.departure.wait()
    received.wait_until_read()
    assert (bytes(received.body), received.complete) == (b"hello", False)
