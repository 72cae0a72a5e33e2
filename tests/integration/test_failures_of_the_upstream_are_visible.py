"""An upstream that is silent, broken or cut off: the client learns of it, and of nothing more."""

import json
import time
from collections.abc import Iterator

import pytest
from tests.figures import assert_at_most
from tests.proxy_errors import assert_error_of_the_proxy
from tests.raw_client import RawClient, connected, request
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import (
    CHUNKED,
    EVENT_STREAM,
    ScriptedUpstream,
    Step,
    answer,
    chunk,
    close,
    event,
    head,
    pause,
    receive,
    reset,
    send,
    stall,
)

JSON = (b"Content-Type", b"application/json")


@pytest.fixture(scope="module")
def impatient(start_proxy: StartProxy) -> RunningProxy:
    return start_proxy(UPSTREAM_CONNECT_TIMEOUT_S="1", UPSTREAM_READ_TIMEOUT_S="1")


@pytest.fixture
def client(impatient: RunningProxy) -> Iterator[RawClient]:
    with connected(impatient.address) as client:
        yield client


class TestSilence:
    def test_an_upstream_that_never_answers_is_a_504(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), stall())

        got = client.ask(b"POST", b"/v1/responses", [JSON], b"{}")

        assert_error_of_the_proxy(got, 504, "upstream_timeout")
        assert upstream.requests[0].departure.wait(1)

    def test_half_a_head_and_silence_is_a_504(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(send(b"HTTP/1.1 200 OK\r\nContent-"), stall())

        got = client.ask(b"GET", b"/v1/models")

        assert_error_of_the_proxy(got, 504, "upstream_timeout")

    def test_a_long_answer_that_keeps_coming_is_never_cut(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        ticks = [step for _ in range(4) for step in (event(b"x"), pause(0.4))]
        upstream.plays(head(200, EVENT_STREAM), *ticks, chunk(b""))

        got = client.ask(b"GET", b"/v1/responses/r?stream=true")

        assert (got.complete, got.body) == (True, b"data: x\n\n" * 4)

    def test_a_stream_that_falls_silent_ends_visibly(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(head(200, EVENT_STREAM), event(b"x"), stall())

        got = client.ask(b"GET", b"/v1/responses/r?stream=true")

        assert (got.complete, got.body) == (False, b"data: x\n\n")


LENGTH_100: list[tuple[bytes, bytes]] = [(b"Content-Length", b"100")]
SETTLED = pause(0.05)  # A reset may overtake bytes that the proxy has not read yet.
CUT_ANSWERS: dict[str, tuple[Step, ...]] = {
    "too short, closed": (head(200, LENGTH_100), send(b"part"), close()),
    "too short, reset": (head(200, LENGTH_100), send(b"part"), SETTLED, reset()),
    "no last chunk": (head(200, CHUNKED), chunk(b"part"), close()),
    "chunks reset": (head(200, CHUNKED), chunk(b"part"), SETTLED, reset()),
    "within a chunk": (head(200, CHUNKED), send(b"ff\r\npart"), close()),
    "bad chunk": (head(200, CHUNKED), chunk(b"part"), SETTLED, send(b"no size\r\n"), stall()),
    "until closed, but reset": (head(200, [JSON]), send(b"part"), SETTLED, reset()),
}


class TestCutAnswers:
    @pytest.mark.parametrize("script", CUT_ANSWERS.values(), ids=CUT_ANSWERS)
    def test_what_came_is_delivered_and_the_end_is_not_clean(
        self, client: RawClient, upstream: ScriptedUpstream, script: tuple[Step, ...]
    ) -> None:
        upstream.plays(*script)

        got = client.ask(b"GET", b"/v1/models")

        assert (got.status, got.body, got.complete) == (200, b"part", False)

    @pytest.mark.parametrize("script", CUT_ANSWERS.values(), ids=CUT_ANSWERS)
    def test_nor_is_it_for_a_client_of_http_1_0(
        self, client: RawClient, upstream: ScriptedUpstream, script: tuple[Step, ...]
    ) -> None:
        upstream.plays(*script)

        client.send(request(b"GET", b"/v1/models").replace(b"HTTP/1.1", b"HTTP/1.0"))
        got = client.receive_answer()

        assert (got.status, got.body, got.complete) == (200, b"part", False)

    def test_a_cut_stream_gets_no_done_of_ours(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), head(200, EVENT_STREAM), event(b"{}"), close())

        got = client.ask(b"POST", b"/v1/chat/completions", [JSON], b'{"stream": true}')

        assert (got.body, got.complete) == (b"data: {}\n\n", False)


NO_ANSWERS: dict[str, tuple[Step, ...]] = {
    "closed": (receive(), close()),
    "reset": (receive(), reset()),
    "half a head": (receive(), send(b"HTTP/1.1 200 OK\r\nContent-Le"), close()),
    "an interim answer alone": (receive(), head(103), close()),
    "garbage": (receive(), send(b"\x16\x03\x01 SSH-2.0-OpenSSH\r\n\r\n"), close()),
    "text": (receive(), send(b"Hello, this is not HTTP\r\n\r\n"), close()),
    "two lengths": (
        receive(),
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        close(),
    ),
    "a length that is none": (
        receive(),
        send(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab"),
        close(),
    ),
}


class TestNoAnswer:
    @pytest.mark.parametrize("script", NO_ANSWERS.values(), ids=NO_ANSWERS)
    def test_what_is_not_an_answer_is_a_502(
        self, client: RawClient, upstream: ScriptedUpstream, script: tuple[Step, ...]
    ) -> None:
        upstream.plays(*script)

        got = client.ask(b"POST", b"/v1/responses", [JSON], b"{}")

        assert got.status == 502
        assert_error_of_the_proxy(got, 502, json.loads(got.body)["error"]["code"])

    def test_a_large_head_is_a_502_or_relayed_whole(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(answer(200, [(b"X-Large", b"x" * 1_000_000)], b"body"))

        got = client.ask(b"GET", b"/v1/models")

        assert got.status in (200, 502)
        assert client.ask(b"GET", b"/v1/models").status == 200


class TestAKeptConnectionThatEndsUnderARequest:
    """The upstream may have closed it before it saw the request, or after it did the work."""

    @pytest.fixture(autouse=True)
    def _kept_and_then_always_closed(self, client: RawClient, upstream: ScriptedUpstream) -> None:
        client.ask(b"GET", b"/v1/models")
        upstream.forget()
        upstream.otherwise_plays(receive(), close())

    @pytest.mark.parametrize("method", [b"POST", b"PATCH", b"PUT", b"DELETE"])
    def test_what_may_have_been_billed_is_sent_once(
        self, client: RawClient, upstream: ScriptedUpstream, method: bytes
    ) -> None:
        got = client.ask(method, b"/v1/responses", [JSON], b"{}")

        assert got.status == 502
        assert_at_most(1, len(upstream.requests), "times that a request with a body was sent")

    @pytest.mark.parametrize("method", [b"GET", b"DELETE", b"OPTIONS"])
    def test_what_can_be_repeated_is_sent_twice_at_most(
        self, client: RawClient, upstream: ScriptedUpstream, method: bytes
    ) -> None:
        got = client.ask(method, b"/v1/models")

        assert got.status == 502
        assert_at_most(2, len(upstream.requests), "times that an idempotent request was sent")


class TestTheNextRequest:
    def test_bytes_after_an_answer_never_answer_the_next_request(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        stray = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
        upstream.plays(answer(200, [], b"first"), send(stray))
        upstream.plays(answer(200, [], b"second"))

        first = client.ask(b"GET", b"/v1/1")
        time.sleep(0.05)
        second = client.ask(b"GET", b"/v1/2")

        assert (first.body, second.body) == (b"first", b"second")
        assert len({received.connection for received in upstream.requests}) == 2

    def test_an_idle_connection_that_the_upstream_closed_costs_nothing(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        statuses: list[int] = []
        for _ in range(60):
            statuses.append(client.ask(b"POST", b"/v1/responses", [JSON], b"{}").status)
            upstream.close_connections()

        assert_at_most(0, 60 - statuses.count(200), "failed requests of 60")
        assert len(upstream.requests) == 60


def test_the_proxy_outlives_every_failure(
    impatient: RunningProxy, upstream: ScriptedUpstream
) -> None:
    for script in [*CUT_ANSWERS.values(), *NO_ANSWERS.values()] * 3:
        upstream.plays(*script)
        with connected(impatient.address) as client:
            client.send(request(b"POST", b"/v1/responses", [JSON], b"{}"))
            client.receive_head()

    with connected(impatient.address) as client:
        assert client.ask(b"GET", b"/v1/models").status == 200
