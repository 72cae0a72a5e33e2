"""No connection to the upstream: the client learns of it soon, and not from where."""

import json
import resource
import socket
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.certificates import Authority
from tests.figures import assert_at_most
from tests.proxy_errors import assert_error_of_the_proxy
from tests.raw_client import Answer, connected
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import ScriptedUpstream

UNTIL_ANSWERED = "s until the client was told"


def _ask_models(proxy: RunningProxy) -> tuple[Answer, float]:
    asked_at = time.monotonic()
    with connected(proxy.address) as client:
        got = client.ask(b"GET", b"/v1/models")
    return got, time.monotonic() - asked_at


def _assert_unreachable(proxy: RunningProxy, *, within_seconds: float) -> None:
    got, seconds = _ask_models(proxy)

    assert_error_of_the_proxy(got, 502, "upstream_unreachable")
    assert_at_most(within_seconds, seconds, UNTIL_ANSWERED)


def _assert_timed_out_after_a_second(proxy: RunningProxy) -> None:
    got, seconds = _ask_models(proxy)

    assert_error_of_the_proxy(got, 504, "upstream_timeout")
    assert seconds > 0.9
    assert_at_most(4, seconds, f"{UNTIL_ANSWERED}, one of them by the setting")


def test_a_refused_connection_is_a_502_at_once(start_proxy: StartProxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]

    _assert_unreachable(
        start_proxy(UPSTREAM_BASE_URL=f"http://127.0.0.1:{port}/v1"), within_seconds=1
    )


def test_an_unknown_name_is_a_502(start_proxy: StartProxy) -> None:
    _assert_unreachable(
        start_proxy(UPSTREAM_BASE_URL="http://upstream.invalid/v1"), within_seconds=6
    )


class TestWhereTlsIsDue:
    def test_plain_text_is_a_502_after_two_attempts_at_most(self, start_proxy: StartProxy) -> None:
        with _listener_that_says(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (port, attempts):
            proxy = start_proxy(UPSTREAM_BASE_URL=f"https://127.0.0.1:{port}/v1")

            _assert_unreachable(proxy, within_seconds=3)

        assert_at_most(2, len(attempts), "attempts to connect")

    def test_a_certificate_that_nobody_vouches_for_is_a_502(
        self, start_proxy: StartProxy, authority: Authority
    ) -> None:
        with ScriptedUpstream(tls=authority.for_servers()) as upstream:
            _assert_unreachable(start_proxy(UPSTREAM_BASE_URL=upstream.url), within_seconds=3)

            assert upstream.requests == []

    def test_a_trusted_certificate_of_another_name_is_a_502(
        self, start_proxy: StartProxy, authority: Authority, tmp_path: Path
    ) -> None:
        other = Authority.made_in(tmp_path, names="DNS:elsewhere.example")
        with (
            ScriptedUpstream(tls=authority.for_servers()) as named,
            ScriptedUpstream(tls=other.for_servers()) as misnamed,
        ):
            trusting, refusing = (
                start_proxy(UPSTREAM_BASE_URL=upstream.url, SSL_CERT_FILE=str(trusted.certificate))
                for upstream, trusted in ((named, authority), (misnamed, other))
            )

            assert _ask_models(trusting)[0].status == 200
            _assert_unreachable(refusing, within_seconds=3)
            assert misnamed.requests == []

    def test_silence_is_a_504(self, start_proxy: StartProxy) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            proxy = start_proxy(
                UPSTREAM_BASE_URL=f"https://127.0.0.1:{silent.getsockname()[1]}/v1",
                UPSTREAM_CONNECT_TIMEOUT_S="1",
            )

            _assert_timed_out_after_a_second(proxy)


def test_a_connection_that_is_never_accepted_is_a_504(start_proxy: StartProxy) -> None:
    with _full_listener() as port:
        proxy = start_proxy(
            UPSTREAM_BASE_URL=f"http://127.0.0.1:{port}/v1", UPSTREAM_CONNECT_TIMEOUT_S="1"
        )

        _assert_timed_out_after_a_second(proxy)


@pytest.mark.skipif(sys.platform != "linux", reason="a process is limited from outside")
@pytest.mark.usefixtures("upstream")
def test_no_room_for_another_connection_is_a_503(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    with connected(proxy.address) as client:
        client.ask(b"GET", b"/health")
        with _no_descriptor_left(proxy):
            refused = client.ask(b"GET", b"/v1/models")
        relayed = client.ask(b"GET", b"/v1/models")

    assert_error_of_the_proxy(refused, 503, "overloaded")
    assert refused.values(b"retry-after") == [b"1"]
    assert relayed.status == 200


def test_health_is_well_without_an_upstream(start_proxy: StartProxy) -> None:
    proxy = start_proxy(UPSTREAM_BASE_URL="http://127.0.0.1:1/v1")

    with connected(proxy.address) as client:
        got = client.ask(b"GET", b"/health")

    assert json.loads(got.body) == {"status": "healthy", "proxy_target": "http://127.0.0.1:1/v1"}


def test_the_upstream_back_up_is_used_again(start_proxy: StartProxy) -> None:
    with ScriptedUpstream() as first:
        proxy = start_proxy(UPSTREAM_BASE_URL=first.url)
        before, _ = _ask_models(proxy)
    during, _ = _ask_models(proxy)
    with ScriptedUpstream(port=first.port):
        after, _ = _ask_models(proxy)

    assert [got.status for got in (before, during, after)] == [200, 502, 200]


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


@contextmanager
def _listener_that_says(greeting: bytes) -> Generator[tuple[int, list[bytes]]]:
    """Its port, and what each connection began with."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(4096))
                    connection.sendall(greeting)

        thread = threading.Thread(target=greet)
        thread.start()
        try:
            yield listener.getsockname()[1], heard
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
