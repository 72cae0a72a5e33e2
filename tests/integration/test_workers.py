"""Several processes that serve one address as one."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.raw_client import connected
from tests.running_proxy import RunningProxy, StartProxy, run_command, wait_for
from tests.scripted_upstream import EVENT_STREAM, ScriptedUpstream, head, stall
from tests.waiting import PATIENCE_SECONDS, wait_until
from tests.workers import (
    CHAT,
    MANY,
    ask,
    ask_at_once,
    chat,
    children,
    everyone_says,
    open_streams,
    wait_for_lines,
    workers,
)


@pytest.fixture
def proxy(start_two: StartProxy) -> RunningProxy:
    return start_two()


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


def private_bytes(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = re.findall(r"^Private_(?:Clean|Dirty): +(\d+) kB$", rollup, re.MULTILINE)
    return 1024 * sum(map(int, kilobytes))
