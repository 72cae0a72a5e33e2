"""Several processes that serve one address as one."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.raw_client import Answer, RawClient, connected, request
from tests.running_proxy import RunningProxy, StartProxy, run_command, running_proxy, wait_for
from tests.scripted_upstream import (
    EVENT_STREAM,
    ScriptedUpstream,
    end_of_chunks,
    event,
    head,
    stall,
    until,
)
from tests.waiting import PATIENCE_SECONDS, wait_until

JSON = (b"Content-Type", b"application/json")
CHAT = b"/v1/chat/completions"
STREAM = b"/v1/responses/r?stream=true"

MANY = 24
"""So many connections that chance gives all to one of two workers once in eight million times."""


@pytest.fixture
def start_two(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Generator[StartProxy]:
    """Starts two workers, with settings of the test's own, until the test ends."""
    with ExitStack() as running:

        def start(**settings: str) -> RunningProxy:
            directory = tmp_path_factory.mktemp("workers")
            all_settings = {"UPSTREAM_BASE_URL": upstream.url, "WORKERS": "2", **settings}
            proxy = running.enter_context(running_proxy(directory, all_settings))
            wait_until(lambda: proxy.stderr.count("Application startup complete") == 2)
            return proxy

        yield start


@pytest.fixture
def proxy(start_two: StartProxy) -> RunningProxy:
    return start_two()


def children(pid: int) -> frozenset[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return frozenset(map(int, path.read_text().split()))


def workers(proxy: RunningProxy) -> frozenset[int]:
    """Those below the process that was started that say they are servers."""
    servers = re.findall(r"Started server process \[(\d+)\]", proxy.stderr)
    return children(proxy.pid) & frozenset(map(int, servers))


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def ask(proxy: RunningProxy, target: bytes, body: bytes | None = None) -> Answer:
    """Ask on a connection of its own, and so whichever worker gets it."""
    with connected(proxy.address) as client:
        return client.ask(b"GET" if body is None else b"POST", target, [JSON], body)


def ask_at_once(proxy: RunningProxy, target: bytes, bodies: Sequence[bytes | None]) -> None:
    """Ask on a connection for each body, sixteen at a time."""

    def send(body: bytes | None) -> Answer:
        return ask(proxy, target, body)

    with ThreadPoolExecutor(16) as clients:
        assert {answer.status for answer in clients.map(send, bodies)} == {200}


def everyone_says(proxy: RunningProxy, **counts: int) -> bool:
    """Whether the statistics count so many requests, whoever is asked."""
    pages = [json.loads(ask(proxy, b"/_proxy/stats").body)["requests"] for _ in range(8)]
    return all(page[name] == count for page in pages for name, count in counts.items())


def chat(text: str) -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}).encode()


@contextmanager
def open_streams(proxy: RunningProxy, upstream: ScriptedUpstream) -> Generator[list[RawClient]]:
    """Connections on each of which a stream has begun."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(proxy.address)) for _ in range(MANY)]
        for client in clients:
            client.send(request(b"GET", STREAM))
            upstream.next_request()
        yield clients


class TestCounting:
    def test_whoever_is_asked_tells_the_sum(
        self, proxy: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(head(200, EVENT_STREAM), stall(), times=MANY)

        with open_streams(proxy, upstream):
            wait_until(lambda: everyone_says(proxy, ended=0, in_flight=MANY))
        wait_until(lambda: everyone_says(proxy, ended=MANY, in_flight=0))
        page = ask(proxy, b"/_proxy/metrics").body.decode()
        assert f'requests_total{{endpoint="responses",status="200"}} {MANY}.0' in page
        assert f'request_seconds_count{{endpoint="responses"}} {MANY}.0' in page

    def test_each_process_shows_what_it_uses_of_the_machine(self, proxy: RunningProxy) -> None:
        def shown() -> frozenset[int]:
            page = ask(proxy, b"/_proxy/metrics").body.decode()
            families = {family.name: family for family in text_string_to_metric_families(page)}
            samples = families["process_resident_memory_bytes"].samples
            return frozenset(int(sample.labels["pid"]) for sample in samples)

        wait_until(lambda: shown() == children(proxy.pid))


class TestLogging:
    def test_lines_of_all_workers_stand_whole_in_files_that_rotate(
        self, start_two: StartProxy
    ) -> None:
        proxy = start_two(COMPRESSION_RATIO="2", LOG_MAX_BYTES="20000", LOG_BACKUPS="1000")
        texts = [f"Sack {n} holds {n * 7} pounds. " * 40 for n in range(200)]

        ask_at_once(proxy, CHAT, list(map(chat, texts)))
        assert proxy.terminate() == -signal.SIGTERM

        lines = "".join(file.read_text() for file in files(proxy.request_log)).splitlines()
        ids = [line.split()[1] for line in lines]
        assert len(set(ids)) == len(lines) == 200
        assert len({of.partition("-")[0] for of in ids}) == 2
        assert all(
            re.fullmatch(r"\S+Z \S+ POST /v1/chat/completions 200 .*", line) for line in lines
        )
        entries = "".join(file.read_text() for file in files(proxy.compression_log))
        assert Counter(text for text in texts if text.strip() in entries) == Counter(texts)
        assert len(files(proxy.request_log)) > 1

    def test_every_line_is_one_object_however_long(self, start_two: StartProxy) -> None:
        proxy = start_two(COMPRESSION_RATIO="2", LOG_FORMAT="json", LOG_CONTENT="true")
        bodies = [chat(f"{n} is a number. " * 2000) for n in range(20)]

        ask_at_once(proxy, CHAT, bodies)
        assert proxy.terminate() == -signal.SIGTERM

        entries = [json.loads(line) for line in proxy.stdout.splitlines()]
        requests = [entry for entry in entries if "httpRequest" in entry]
        assert len(requests) == 20
        assert len(entries) > 20
        assert all(json.loads(line)["severity"] for line in proxy.stderr.splitlines())

    def test_another_process_goes_on_writing_if_the_one_that_wrote_dies(
        self, proxy: RunningProxy
    ) -> None:
        (log_writer,) = children(proxy.pid) - workers(proxy)

        os.kill(log_writer, signal.SIGKILL)
        wait_for(proxy.directory / "stderr", "The log writer (process")

        def is_written(number: int) -> bool:
            ask(proxy, b"/v1/models/m%d" % number)
            return proxy.request_log.exists() and "/v1/models/m" in proxy.request_log.read_text()

        wait_until(lambda: is_written(1))

    def test_what_it_left_unread_when_it_died_is_told(self, proxy: RunningProxy) -> None:
        ask_at_once(proxy, b"/v1/models", [None] * MANY)
        wait_for_lines(proxy.request_log, MANY)
        asked = 2 * MANY

        def is_accounted_for() -> bool:
            nonlocal asked
            ask_at_once(proxy, b"/v1/models", [None] * MANY)
            asked += MANY
            time.sleep(0.5)
            told = re.findall(r"(\d+) .* on the way to the process that writes", proxy.stderr)
            written = proxy.request_log.read_text().count("/v1/models")
            return written < asked == written + sum(map(int, told))

        (log_writer,) = children(proxy.pid) - workers(proxy)
        os.kill(log_writer, signal.SIGSTOP)
        ask_at_once(proxy, b"/v1/models", [None] * MANY)
        time.sleep(0.5)
        os.kill(log_writer, signal.SIGKILL)
        wait_for(proxy.directory / "stderr", "The log writer (process")

        wait_until(is_accounted_for)


def files(path: Path) -> list[Path]:
    return list(path.parent.glob(f"{path.name}*"))


class TestDying:
    def test_a_worker_that_dies_takes_its_own_connections_alone_with_it(
        self, proxy: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        killed = min(workers(proxy))
        going_on = Event()
        upstream.plays(
            head(200, EVENT_STREAM), until(going_on), event(b"1"), end_of_chunks(), times=MANY
        )

        with open_streams(proxy, upstream) as clients:
            wait_until(lambda: everyone_says(proxy, in_flight=MANY))
            os.kill(killed, signal.SIGKILL)
            wait_for(proxy.directory / "stderr", f"(process {killed}) died with exit code -9")
            going_on.set()
            complete = [is_complete(client) for client in clients]

        assert 0 < sum(complete) < MANY
        wait_until(lambda: len(workers(proxy)) == 2)
        wait_until(lambda: everyone_says(proxy, ended=sum(complete), in_flight=0))

    def test_what_a_worker_counted_before_it_died_stays_counted(self, proxy: RunningProxy) -> None:
        for _ in range(MANY):
            ask(proxy, b"/v1/models")
        wait_until(lambda: everyone_says(proxy, ended=MANY))

        for pid in workers(proxy):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(workers(proxy)) == 2)

        ask(proxy, b"/v1/models")
        wait_until(lambda: everyone_says(proxy, ended=MANY + 1))

    def test_nobody_stays_behind_when_the_first_process_is_killed(
        self, proxy: RunningProxy
    ) -> None:
        all_processes = children(proxy.pid)

        proxy.process.kill()

        wait_until(lambda: not any(map(is_running, all_processes)))


def is_complete(client: RawClient) -> bool:
    """Whether the stream on a connection comes to its end."""
    try:
        return client.receive_answer().complete
    except ConnectionError:
        return False


class TestStarting:
    def test_the_workers_share_the_connections_of_a_burst(self, proxy: RunningProxy) -> None:
        ask_at_once(proxy, b"/v1/models", [None] * 96)

        log = wait_for_lines(proxy.request_log, 96)
        shares = Counter(line.split()[1].partition("-")[0] for line in log)
        # By chance alone, fewer than 24 fall to one of two once in two million times.
        assert min(shares.values()) >= 24
        assert len(shares) == 2

    def test_whoever_answers_is_ready_with_a_vocabulary_that_all_share(
        self, start_two: StartProxy
    ) -> None:
        proxy = start_two(COMPRESSION_RATIO="2")

        assert {ask(proxy, b"/_proxy/ready").status for _ in range(8)} == {200}
        for n in range(MANY):
            ask(proxy, CHAT, chat(f"{n} " * 100))

        assert max(map(private_bytes, workers(proxy))) < 60 * 1024 * 1024
        # A fork keeps what another thread has locked, so there must be no other.
        assert len(list(Path(f"/proc/{proxy.pid}/task").iterdir())) == 1

    def test_any_free_port_is_the_one_that_is_printed(self, tmp_path: Path) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HOST": "127.0.0.1"}
        command = [sys.executable, "-m", "openai_proxy", "serve", "--workers", "2"]
        with (tmp_path / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                command, cwd=tmp_path, env={**environment, "PORT": "0"}, stderr=stderr
            )
        try:
            said = wait_for(tmp_path / "stderr", "running on")
            (port,) = re.findall(r"running on http://127\.0\.0\.1:(\d+)", said)
            with connected(f"127.0.0.1:{port}") as client:
                assert client.ask(b"GET", b"/health").status == 200
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)

    def test_one_process_has_no_other_below_it(self, start_proxy: StartProxy) -> None:
        assert children(start_proxy().pid) == frozenset()

    def test_a_number_out_of_range_stops_the_start(self, tmp_path: Path) -> None:
        ended = run_command(directory=tmp_path, settings={"WORKERS": "65"})

        assert ended.returncode != 0
        assert "WORKERS: '65' is not valid; it must be a whole number from 1 to 64" in ended.stderr


def wait_for_lines(path: Path, count: int) -> list[str]:
    def lines() -> list[str]:
        return path.read_text().splitlines() if path.exists() else []

    wait_until(lambda: len(lines()) >= count)
    return lines()


def private_bytes(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = re.findall(r"^Private_(?:Clean|Dirty): +(\d+) kB$", rollup, re.MULTILINE)
    return 1024 * sum(map(int, kilobytes))


class TestStopping:
    def test_a_stream_on_each_worker_is_finished_before_the_end(
        self, proxy: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        stopping = Event()
        upstream.plays(
            head(200, EVENT_STREAM), until(stopping), event(b"1"), end_of_chunks(), times=MANY
        )

        with open_streams(proxy, upstream) as clients:
            proxy.process.terminate()
            wait_until(lambda: is_refused(proxy))
            stopping.set()
            complete = [is_complete(client) for client in clients]

        assert all(complete)
        assert proxy.process.wait(PATIENCE_SECONDS) == -signal.SIGTERM
        assert len(proxy.request_log.read_text().splitlines()) == MANY

    def test_endless_streams_are_cut_when_the_grace_is_over(
        self, start_two: StartProxy, upstream: ScriptedUpstream
    ) -> None:
        proxy = start_two(SHUTDOWN_GRACE_S="1")
        upstream.plays(head(200, EVENT_STREAM), event(b"1"), stall(), times=MANY)

        with open_streams(proxy, upstream) as clients:
            stopped_at = time.monotonic()
            proxy.process.terminate()
            complete = [is_complete(client) for client in clients]

        assert not any(complete)
        assert proxy.process.wait(PATIENCE_SECONDS) == -signal.SIGTERM
        assert time.monotonic() - stopped_at < 4

    @pytest.mark.parametrize("to_all", [False, True], ids=["the first process", "all, by Ctrl-C"])
    def test_an_interrupt_ends_all_in_order(self, proxy: RunningProxy, *, to_all: bool) -> None:
        processes = children(proxy.pid)

        for pid in (*processes, proxy.pid) if to_all else (proxy.pid,):
            os.kill(pid, signal.SIGINT)

        assert proxy.process.wait(PATIENCE_SECONDS) == 0
        assert not any(map(is_running, processes))
        assert "Traceback" not in proxy.stderr

    def test_a_worker_that_hangs_is_ended_all_the_same(self, start_two: StartProxy) -> None:
        proxy = start_two(SHUTDOWN_GRACE_S="0.1")
        hanging = min(workers(proxy))
        os.kill(hanging, signal.SIGSTOP)

        assert proxy.terminate() == -signal.SIGTERM
        assert not is_running(hanging)


def is_refused(proxy: RunningProxy) -> bool:
    try:
        with connected(proxy.address):
            return False
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        # It came in the moment in which the listener closed.
        return False
