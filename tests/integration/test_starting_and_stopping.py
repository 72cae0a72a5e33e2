"""From the start with its settings, good and bad, to the end on SIGTERM."""

import asyncio
import json
import signal
import threading
import time
from pathlib import Path
from statistics import median

import pytest
from tests.figures import assert_at_most
from tests.proxy_errors import assert_error_of_the_proxy
from tests.raw_client import RawClient, connected, request
from tests.running_proxy import RunningProxy, StartProxy, run_command
from tests.scripted_upstream import (
    EVENT_STREAM,
    Exchange,
    ScriptedUpstream,
    Step,
    end_of_chunks,
    event,
    head,
    pause,
    receive,
    send,
    stall,
    until,
)
from tests.waiting import PATIENCE_SECONDS, wait_until

MESSAGE = {"role": "user", "content": "One, two, three, four, five. " * 100}
CHAT = json.dumps({"model": "gpt-4o", "messages": [MESSAGE]}).encode()

BAD_SETTINGS = {
    "COMPRESSION_RATIO": ("0.5", "at least 1.0"),
    "TOKENS_TO_KEEP_RATIO": ("50%", "above 0 and at most 1"),
    "PORT": ("http", "from 0 (any free port) to 65535"),
    "UPSTREAM_BASE_URL": ("ftp://upstream.example", "http or https"),
    "UPSTREAM_READ_TIMEOUT_S": ("-1", "above 0"),
    "COMPRESSION_ROLES": ("user,nobody", "any of user,system"),
    "PROXY_OPEN": ("perhaps", "true or false"),
    "MAX_CONCURRENCY": ("0", "at least 1"),
    "LOG_DIR": ("/dev/null", "a directory"),
}
"""By variable: a value that it cannot have, and what to read of those that it can."""


def test_every_problem_with_the_settings_is_told_at_once_a_line_each(tmp_path: Path) -> None:
    settings = {name: value for name, (value, _) in BAD_SETTINGS.items()}
    started_at = time.monotonic()

    ended = run_command(directory=tmp_path, settings=settings)

    assert ended.returncode != 0
    assert_at_most(6, time.monotonic() - started_at, "s until it ended")
    lines = {line.split(": ")[1]: line for line in ended.stderr.splitlines()}
    assert sorted(lines) == sorted(BAD_SETTINGS)
    assert len(ended.stderr.splitlines()) == len(BAD_SETTINGS)
    for name, (value, allowed) in BAD_SETTINGS.items():
        assert value in lines[name]
        assert allowed in lines[name]


def test_a_password_in_the_upstreams_address_is_refused_and_not_shown(tmp_path: Path) -> None:
    settings = {"UPSTREAM_BASE_URL": "https://user:secret@upstream.example/v1"}

    ended = run_command(directory=tmp_path, settings=settings)

    assert ended.returncode != 0
    assert "UPSTREAM_BASE_URL: " in ended.stderr
    assert "secret" not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COMPRESSION_RATIO", "0"),
        ("COMPRESSION_RATIO", "nan"),
        ("COMPRESSION_RATIO", "inf"),
        ("TOKENS_TO_KEEP_RATIO", "0"),
        ("TOKENS_TO_KEEP_RATIO", "1.1"),
    ],
)
def test_a_ratio_out_of_its_range_stops_the_start(tmp_path: Path, name: str, value: str) -> None:
    ended = run_command(directory=tmp_path, settings={name: value})

    assert ended.returncode != 0
    assert f"{name}: {value} " in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_port_that_is_taken_stops_the_start(proxy: RunningProxy, tmp_path: Path) -> None:
    settings = {"HOST": "127.0.0.1", "PORT": str(proxy.port)}

    ended = run_command(directory=tmp_path, settings=settings)

    assert ended.returncode == 2
    assert ended.stderr == (
        f"error: PORT: {proxy.port} cannot be had at '127.0.0.1' (address already in use); "
        "it must be a free port\n"
    )


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1"])
def test_an_address_that_is_not_of_this_machine_stops_the_start(tmp_path: Path, host: str) -> None:
    ended = run_command(directory=tmp_path, settings={"HOST": host, "PORT": "0"})

    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: HOST: '{host}' is not ")
    assert ended.stderr.count("\n") == 1


def test_empty_settings_are_as_good_as_none(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy(COMPRESSION_RATIO="", TOKENS_TO_KEEP_RATIO="", OPENAI_API_KEY="")

    with connected(proxy.address) as client:
        assert client.ask(b"GET", b"/v1/models").status == 200
    assert upstream.requests[0].values(b"authorization") == []


def test_the_first_chat_to_be_compressed_does_not_wait_long(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy(COMPRESSION_RATIO="2")
    with connected(proxy.address) as client:
        wait_until(lambda: client.ask(b"GET", b"/_proxy/ready").status == 200)

        asked_at = time.monotonic()
        client.ask(b"POST", b"/v1/chat/completions", body=CHAT)

    assert_at_most(1, time.monotonic() - asked_at, "s until the first chat was answered")
    assert len(upstream.requests[0].body) < len(CHAT)


def test_a_chat_that_does_not_wait_for_readiness_is_compressed_all_the_same(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy(COMPRESSION_RATIO="2")

    with connected(proxy.address) as client:
        client.ask(b"POST", b"/v1/chat/completions", body=CHAT)

    assert len(upstream.requests[0].body) < len(CHAT)


def test_an_upstream_that_is_the_proxy_itself_stops_the_start(tmp_path: Path) -> None:
    settings = {"PORT": "8123", "UPSTREAM_BASE_URL": "http://localhost:8123/v1"}

    ended = run_command(directory=tmp_path, settings=settings)

    assert ended.returncode != 0
    assert "UPSTREAM_BASE_URL: " in ended.stderr


def test_a_request_that_comes_round_again_by_a_detour_is_a_508_at_once(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    async def send_it_back(exchange: Exchange) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        received = exchange.request
        writer.write(request(received.method, received.target, received.headers))
        await exchange.send(await reader.read(65536))
        writer.close()

    upstream.otherwise_plays(send_it_back)
    asked_at = time.monotonic()

    got = client.ask(b"GET", b"/v1/models")

    assert_error_of_the_proxy(got, 508, "loop_detected")
    assert_at_most(1, time.monotonic() - asked_at, "s until it was answered")
    assert len(upstream.requests) == 1


def test_health_answers_as_long_as_the_process_does(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream
) -> None:
    got = client.ask(b"GET", b"/health")

    assert (got.status, got.values(b"content-type")) == (200, [b"application/json"])
    assert json.loads(got.body) == {"status": "healthy", "proxy_target": upstream.url}
    assert upstream.requests == []
    assert proxy.process.poll() is None


WHATEVER_THE_UPSTREAM_DOES: dict[str, tuple[Step, ...]] = {
    "it is silent": (receive(), stall()),
    "it pours": (receive(), head(200, EVENT_STREAM), *[event(bytes(100_000))] * 10_000),
    "it stops within its head": (receive(), send(b"HTTP/1.1 200 OK\r\nX-"), stall()),
}


@pytest.mark.parametrize(
    "script", WHATEVER_THE_UPSTREAM_DOES.values(), ids=WHATEVER_THE_UPSTREAM_DOES
)
def test_health_is_quick_whatever_the_upstream_does(
    proxy: RunningProxy, upstream: ScriptedUpstream, script: tuple[Step, ...]
) -> None:
    upstream.plays(*script)
    seconds: list[float] = []
    with connected(proxy.address) as waiting, connected(proxy.address) as client:
        waiting.send(request(b"GET", b"/v1/models"))
        upstream.next_request()
        for _ in range(20):
            asked_at = time.monotonic()
            assert client.ask(b"GET", b"/health").status == 200
            seconds.append(time.monotonic() - asked_at)

    assert_at_most(0.05, median(seconds), "s until health was told, typically")


@pytest.mark.parametrize(
    "path", [b"/docs", b"/schema", b"/openapi.json", b"/redoc", b"/favicon.ico"]
)
def test_there_are_no_pages_of_a_framework(
    client: RawClient, upstream: ScriptedUpstream, path: bytes
) -> None:
    client.ask(b"GET", path)

    assert upstream.requests[0].target == b"/v1" + path


def test_an_idle_proxy_stops_at_once(start_proxy: StartProxy) -> None:
    proxy = start_proxy()

    stopped_at = time.monotonic()
    code = proxy.terminate()

    assert code in (0, 143, -15)
    assert_at_most(2, time.monotonic() - stopped_at, "s until an idle proxy had ended")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupt_is_no_failure(start_proxy: StartProxy, workers: str) -> None:
    proxy = start_proxy(WORKERS=workers)

    proxy.process.send_signal(signal.SIGINT)

    assert proxy.process.wait(PATIENCE_SECONDS) == 0
    assert "Traceback" not in proxy.stderr


def test_a_stream_in_flight_is_finished_before_the_end(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy()
    stopping = threading.Event()
    upstream.plays(
        head(200, EVENT_STREAM), event(b"1"), until(stopping), event(b"2"), end_of_chunks()
    )
    with connected(proxy.address) as client:
        client.send(request(b"GET", b"/v1/responses/r?stream=true"))
        _, headers = client.receive_head()
        pieces = client.pieces(headers)
        first = next(pieces)
        stopped_at = time.monotonic()
        proxy.process.terminate()
        _wait_until_refused(proxy)
        assert_at_most(1, time.monotonic() - stopped_at, "s until nobody new was let in")
        stopping.set()
        rest = b"".join(pieces)

    assert (first, rest) == (b"data: 1\n\n", b"data: 2\n\n")
    assert proxy.process.wait(5) in (0, 143, -15)


def _wait_until_refused(proxy: RunningProxy) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            with connected(proxy.address):
                time.sleep(0.01)
        except ConnectionRefusedError:
            return
    raise AssertionError("the port stayed open")


def test_what_ends_within_the_grace_is_whole_and_an_endless_stream_is_cut_visibly(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy()
    upstream.plays(head(200, EVENT_STREAM), event(b"1"), pause(7), event(b"2"), end_of_chunks())
    upstream.plays(head(200, EVENT_STREAM), event(b"1"), stall())
    with connected(proxy.address, 12) as slow, connected(proxy.address, 12) as endless:
        for client in (slow, endless):
            client.send(request(b"GET", b"/v1/responses/r?stream=true"))
            upstream.next_request()
        stopped_at = time.monotonic()
        proxy.process.terminate()
        answers = [slow.receive_answer(), endless.receive_answer()]

    assert proxy.process.wait(5) in (0, 143, -15)
    assert_at_most(9.8, time.monotonic() - stopped_at, "s until it had ended")
    assert [(got.body, got.complete) for got in answers] == [
        (b"data: 1\n\ndata: 2\n\n", True),
        (b"data: 1\n\n", False),
    ]


def test_more_requests_than_allowed_at_once_are_told_to_come_again(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy(MAX_CONCURRENCY="1")
    upstream.plays(receive(), stall())
    with connected(proxy.address) as waiting, connected(proxy.address) as client:
        waiting.send(request(b"GET", b"/v1/models"))
        upstream.next_request()
        refused = client.ask(b"GET", b"/v1/models")
        health = client.ask(b"GET", b"/health")

    assert_error_of_the_proxy(refused, 503, "overloaded")
    assert refused.values(b"retry-after") == [b"1"]
    assert health.status == 200


@pytest.mark.parametrize("is_chunked", [False, True], ids=["by length", "chunked"])
def test_a_body_beyond_the_operators_limit_is_a_413(
    start_proxy: StartProxy, upstream: ScriptedUpstream, *, is_chunked: bool
) -> None:
    proxy = start_proxy(MAX_REQUEST_BYTES="1000")
    with connected(proxy.address) as client:
        if is_chunked:
            chunks = b"3e8\r\n" + bytes(1000) + b"\r\n1\r\nx\r\n0\r\n\r\n"
            client.send(request(b"POST", b"/v1/x", [(b"Transfer-Encoding", b"chunked")], chunks))
            got = client.receive_answer()
        else:
            got = client.ask(b"POST", b"/v1/x", body=bytes(1001))

    assert_error_of_the_proxy(got, 413, "request_too_large")
    assert not any(received.complete for received in upstream.requests)
