"""An upstream that is down, silent, broken or cut off: the client learns of it, and of nothing more."""

import json
import re
import resource
import socket
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.raw_client import Answer, RawClient, connected, request
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


def _assert_our_error(got: Answer, status: int, code: str) -> None:
    """An error of the proxy's own: OpenAI's shape, and no name of host or library in it."""
    assert (got.status, got.complete) == (status, True), got
    assert got.values(b"content-type") == [b"application/json"]
    error = json.loads(got.body)["error"]
    assert error == {
        "message": error["message"],
        "type": "proxy_error",
        "param": None,
        "code": code,
    }
    assert not re.search(r"127\.0|localhost|httpx|httpcore|Errno|Traceback", error["message"])


@pytest.fixture(scope="module")
def impatient(start_proxy: StartProxy) -> RunningProxy:
    return start_proxy(UPSTREAM_CONNECT_TIMEOUT_S="1", UPSTREAM_READ_TIMEOUT_S="1")


@pytest.fixture
def client(impatient: RunningProxy) -> Iterator[RawClient]:
    with connected(impatient.address) as client:
        yield client


class TestNoConnection:
    def test_a_refused_connection_is_a_502_at_once(self, start_proxy: StartProxy) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed_soon:
            port = closed_soon.getsockname()[1]
        proxy = start_proxy(UPSTREAM_BASE_URL=f"http://127.0.0.1:{port}/v1")

        got, seconds = _ask_models(proxy)

        _assert_our_error(got, 502, "upstream_unreachable")
        assert seconds < 1

    def test_an_unknown_name_is_a_502(self, start_proxy: StartProxy) -> None:
        proxy = start_proxy(UPSTREAM_BASE_URL="http://upstream.invalid/v1")

        got, seconds = _ask_models(proxy)

        _assert_our_error(got, 502, "upstream_unreachable")
        assert b"upstream.invalid" not in got.body
        assert seconds < 6

    def test_an_upstream_that_speaks_no_tls_is_a_502(self, start_proxy: StartProxy) -> None:
        with _listener_that_says(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
            proxy = start_proxy(UPSTREAM_BASE_URL=f"https://127.0.0.1:{port}/v1")

            got, seconds = _ask_models(proxy)

        _assert_our_error(got, 502, "upstream_unreachable")
        assert seconds < 3

    def test_an_upstream_that_is_silent_where_tls_begins_is_a_504(
        self, start_proxy: StartProxy
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            proxy = start_proxy(
                UPSTREAM_BASE_URL=f"https://127.0.0.1:{silent.getsockname()[1]}/v1",
                UPSTREAM_CONNECT_TIMEOUT_S="1",
            )

            got, seconds = _ask_models(proxy)

        _assert_our_error(got, 504, "upstream_timeout")
        assert 0.9 < seconds < 4

    def test_a_connection_that_is_never_accepted_is_a_504(self, start_proxy: StartProxy) -> None:
        with _full_listener() as port:
            proxy = start_proxy(
                UPSTREAM_BASE_URL=f"http://127.0.0.1:{port}/v1", UPSTREAM_CONNECT_TIMEOUT_S="1"
            )

            got, seconds = _ask_models(proxy)

        _assert_our_error(got, 504, "upstream_timeout")
        assert 0.9 < seconds < 4

    @pytest.mark.skipif(sys.platform != "linux", reason="a process is limited from outside")
    def test_no_room_for_another_connection_is_a_503(self, start_proxy: StartProxy) -> None:
        proxy = start_proxy()
        with connected(proxy.address) as client:
            client.ask(b"GET", b"/health")
            with _no_descriptor_left(proxy):
                refused = client.ask(b"GET", b"/v1/models")
            relayed = client.ask(b"GET", b"/v1/models")

        _assert_our_error(refused, 503, "overloaded")
        assert refused.values(b"retry-after") == [b"1"]
        assert relayed.status == 200

    def test_health_is_well_without_an_upstream(self, start_proxy: StartProxy) -> None:
        proxy = start_proxy(UPSTREAM_BASE_URL="http://127.0.0.1:1/v1")

        with connected(proxy.address) as client:
            got = client.ask(b"GET", b"/health")

        assert json.loads(got.body) == {
            "status": "healthy",
            "proxy_target": "http://127.0.0.1:1/v1",
        }


@contextmanager
def _no_descriptor_left(proxy: RunningProxy) -> Generator[None]:
    before = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (_lowest_free(proxy.pid), before[1]))
    try:
        yield
    finally:
        resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, before)


def _lowest_free(pid: int) -> int:
    taken = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    return min(set(range(len(taken) + 1)) - taken)


def _ask_models(proxy: RunningProxy) -> tuple[Answer, float]:
    asked_at = time.monotonic()
    with connected(proxy.address) as client:
        got = client.ask(b"GET", b"/v1/models")
    return got, time.monotonic() - asked_at


@contextmanager
def _listener_that_says(greeting: bytes) -> Generator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(greeting)

        thread = threading.Thread(target=greet)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def _full_listener() -> Generator[int]:
    """A port whose queue of connections is full, so that the kernel drops every new one."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)  # noqa: FBT003 (the socket's own signature)
            one.connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()[1]
        finally:
            for one in waiting:
                one.close()


class TestSilence:
    def test_an_upstream_that_never_answers_is_a_504(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), stall())

        got = client.ask(b"POST", b"/v1/responses", [JSON], b"{}")

        _assert_our_error(got, 504, "upstream_timeout")
        assert upstream.requests[0].departure.wait(1)

    def test_half_a_head_and_silence_is_a_504(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(send(b"HTTP/1.1 200 OK\r\nContent-"), stall())

        got = client.ask(b"GET", b"/v1/models")

        _assert_our_error(got, 504, "upstream_timeout")

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
        _assert_our_error(got, 502, json.loads(got.body)["error"]["code"])

    def test_a_request_that_may_have_been_billed_is_not_sent_again(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        client.ask(b"POST", b"/v1/responses", [JSON], b"{}")
        upstream.forget()
        upstream.otherwise_plays(receive(), close())

        got = client.ask(b"POST", b"/v1/responses", [JSON], b"{}")

        assert got.status == 502
        assert len(upstream.requests) == 1

    def test_a_large_head_is_a_502_or_relayed_whole(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(answer(200, [(b"X-Large", b"x" * 1_000_000)], b"body"))

        got = client.ask(b"GET", b"/v1/models")

        assert got.status in (200, 502)
        assert client.ask(b"GET", b"/v1/models").status == 200


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

    def test_an_idle_connection_that_the_upstream_closed_costs_nothing(
        self, client: RawClient, upstream: ScriptedUpstream
    ) -> None:
        statuses: list[int] = []
        for _ in range(60):
            statuses.append(client.ask(b"POST", b"/v1/responses", [JSON], b"{}").status)
            upstream.close_connections()

        assert statuses == [200] * 60
        assert len(upstream.requests) == 60

    def test_the_upstream_back_up_is_used_again(self, start_proxy: StartProxy) -> None:
        with ScriptedUpstream() as first:
            proxy = start_proxy(UPSTREAM_BASE_URL=first.url)
            before, _ = _ask_models(proxy)
        during, _ = _ask_models(proxy)
        with ScriptedUpstream(port=first.port):
            after, _ = _ask_models(proxy)

        assert [got.status for got in (before, during, after)] == [200, 502, 200]


def test_the_proxy_outlives_every_failure(
    impatient: RunningProxy, upstream: ScriptedUpstream
) -> None:
    for script in [*CUT_ANSWERS.values(), *NO_ANSWERS.values()] * 3:
        upstream.plays(*script)
        with connected(impatient.address) as client:
            client.send(request(b"POST", b"/v1/responses", [JSON], b"{}"))
            client.receive_head()

    assert _ask_models(impatient)[0].status == 200
