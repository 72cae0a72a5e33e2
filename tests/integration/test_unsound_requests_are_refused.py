"""What could be read in two ways is refused, hides no second request, and ends its connection."""

import sys
import time

import pytest
from tests.figures import assert_at_most
from tests.proxy_errors import assert_error_of_the_proxy
from tests.raw_client import Answer, RawClient, connected
from tests.resident_memory import MIB, growth_of_at_most
from tests.running_proxy import RunningProxy
from tests.scripted_upstream import CHUNKED, ScriptedUpstream, chunk, end_of_chunks, head, receive
from tests.unsound_requests import (
    AMBIGUOUS_FRAMING,
    BAD_CHUNKS,
    OTHER_UNSOUND_HEADS,
    SMUGGLED,
    get,
    post,
)

UNSOUND_HEADS = AMBIGUOUS_FRAMING | OTHER_UNSOUND_HEADS
BODIES_LOST_TO_AN_UPGRADE = [
    AMBIGUOUS_FRAMING[name] for name in ("a body lost to an upgrade", "chunks lost to an upgrade")
]


def answer_before_the_end(client: RawClient) -> Answer | None:
    """What the proxy says before it ends the connection, if it says anything."""
    try:
        return client.receive_answer()
    except ConnectionError:
        return None


def assert_refused(answer: Answer | None) -> None:
    if answer is not None:
        assert_error_of_the_proxy(answer, 400, "bad_request")


def assert_nothing_else_arrived(proxy: RunningProxy, upstream: ScriptedUpstream) -> None:
    """Nor will: by the time the next request was answered, what went before it has arrived."""
    with connected(proxy.address) as other:
        assert other.ask(b"GET", b"/v1/models").status == 200
    whole = [received.line for received in upstream.requests if received.complete]
    assert whole == [b"GET /v1/models HTTP/1.1"]


@pytest.mark.parametrize("raw", UNSOUND_HEADS.values(), ids=UNSOUND_HEADS.keys())
def test_an_unsound_head_goes_nowhere(
    proxy: RunningProxy, upstream: ScriptedUpstream, raw: bytes
) -> None:
    with connected(proxy.address) as client:
        client.send(raw + SMUGGLED)
        answer = answer_before_the_end(client)

        assert_refused(answer)
        assert client.is_closed()
    assert_nothing_else_arrived(proxy, upstream)


@pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
def test_a_bad_chunk_never_becomes_a_whole_request(
    proxy: RunningProxy, upstream: ScriptedUpstream, chunks: bytes
) -> None:
    with connected(proxy.address) as client:
        client.send(post(b"Transfer-Encoding: chunked", body=chunks) + SMUGGLED)
        answer = answer_before_the_end(client)

        assert_refused(answer)
        assert client.is_closed()
    assert_nothing_else_arrived(proxy, upstream)


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


@pytest.mark.usefixtures("upstream")
def test_behind_an_upgrade_that_is_dropped_nothing_waits_for_an_answer_in_vain(
    client: RawClient,
) -> None:
    offer = get(b"GET /v1/models HTTP/1.1", b"Connection: Upgrade", b"Upgrade: h2c")
    client.send(offer + get(b"GET /v1/models HTTP/1.1"))

    answered = client.receive_answer()

    assert answered.status == 200
    assert answered.values(b"connection") == [b"close"]
    assert client.is_closed()


@pytest.mark.parametrize("raw", BODIES_LOST_TO_AN_UPGRADE)
def test_a_body_that_an_upgrade_would_lose_is_refused_in_so_many_words(
    client: RawClient, upstream: ScriptedUpstream, raw: bytes
) -> None:
    client.send(raw)
    got = client.receive_answer()

    assert_error_of_the_proxy(got, 400, "bad_request")
    assert upstream.requests == []


class TestLimitsOfAHead:
    def assert_too_large(self, client: RawClient, status: int) -> None:
        assert_error_of_the_proxy(client.receive_answer(), status, "request_too_large")

    @pytest.mark.parametrize(
        "raw",
        [
            get(b"GET /v1/models HTTP/1.1", *[b"x: y"] * 99),
            get(b"GET /v1/models HTTP/1.1", b"x: " + b"y" * 65_500),
            get(b"GET /" + b"x" * (16 * 1024 - 1) + b" HTTP/1.1"),
        ],
        ids=["a hundred fields", "64 KiB of fields", "a target of 16 KiB"],
    )
    def test_what_is_just_within_them_is_relayed(
        self, client: RawClient, upstream: ScriptedUpstream, raw: bytes
    ) -> None:
        client.send(raw)

        assert client.receive_answer().status == 200
        assert len(upstream.requests) == 1

    def test_more_fields_than_allowed(self, client: RawClient, upstream: ScriptedUpstream) -> None:
        client.send(get(b"GET /v1/models HTTP/1.1", *[b"x: y"] * 100))

        self.assert_too_large(client, 431)
        assert upstream.requests == []

    def test_fifty_thousand_small_fields(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        asked_at = time.monotonic()
        client.send(get(b"GET /v1/models HTTP/1.1", *[b"x: y"] * 50_000))

        self.assert_too_large(client, 431)
        assert_at_most(1, time.monotonic() - asked_at, "s until 50,000 fields were refused")
        assert upstream.requests == []

    def test_longer_fields_than_allowed(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        client.send(get(b"GET /v1/models HTTP/1.1", b"x: " + b"y" * 64 * 1024))

        self.assert_too_large(client, 431)
        assert upstream.requests == []

    def test_a_longer_target_than_allowed(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        client.send(get(b"GET /v1/" + b"x" * 16 * 1024 + b" HTTP/1.1"))

        self.assert_too_large(client, 414)
        assert upstream.requests == []

    @pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
    def test_a_head_without_end(self, proxy: RunningProxy) -> None:
        with connected(proxy.address) as client:
            client.send(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nx: ")
            with (
                growth_of_at_most(MIB, proxy),
                pytest.raises((BrokenPipeError, ConnectionResetError)),
            ):
                client.send(b"y" * 64 * MIB)


def test_an_answer_of_unknown_length_reaches_an_old_client_unframed(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    upstream.plays(receive(), head(200, CHUNKED), chunk(b"hel"), chunk(b"lo"), end_of_chunks())

    client.send(b"GET /v1/models HTTP/1.0\r\nHost: localhost\r\n\r\n")
    _, headers = client.receive_head()
    body = b"".join(client.pieces(headers))

    assert (dict(headers), body) == ({b"connection": b"close"}, b"hello")
