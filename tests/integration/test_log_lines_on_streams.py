"""Logging to the terminal and to standard output, most of which misbehave."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.log_entries import a_compression, a_request
from tests.recording import WORST_DELAY_SECONDS, a_pipe, files_in, ids, read_all, record_requests
from tests.waiting import PATIENCE_SECONDS

from openai_proxy.adapters.logs.sinks import JsonLines

QUEUE = 10_000


class TestTheTerminal:
    def test_a_request_is_a_short_line_on_it(self, tmp_path: Path) -> None:
        with a_pipe() as (reader, terminal):
            log = files_in(tmp_path, terminal=terminal)
            log.record_request(a_request())
            log.close(PATIENCE_SECONDS)

        assert read_all(reader).split(" ", 1)[1] == "POST /v1/chat/completions 200 0.532s\n"

    def test_one_that_nobody_reads_keeps_no_line_from_the_files(self, tmp_path: Path) -> None:
        with a_pipe() as (reader, terminal):
            log = files_in(tmp_path, terminal=terminal)
            worst = record_requests(log, 5000)
            log.close(PATIENCE_SECONDS)
            dropped = log.dropped

        assert ids((tmp_path / "proxy_requests.log").read_text()) == list(range(5000))
        assert len(read_all(reader).splitlines()) == 5000 - dropped < 5000
        assert worst <= WORST_DELAY_SECONDS


class TestJsonLines:
    def test_each_line_is_an_object_and_no_text_is_in_it(self) -> None:
        with a_pipe() as (reader, stdout):
            log = JsonLines(stdout, show_content=False)
            log.record_compression("5f3a-1", a_compression())
            log.record_request(a_request(compression=a_compression()))
            log.close(PATIENCE_SECONDS)

        written = read_all(reader)
        assert [json.loads(line)["message"] for line in written.splitlines()] == [
            "text 1 of 1: 10 -> 6 tokens",
            "POST /v1/chat/completions 200",
        ]
        assert "fox" not in written

    def test_unread_ones_are_queued_then_dropped_and_counted(self) -> None:
        recorded = QUEUE + 2000
        with a_pipe() as (reader, stdout), ThreadPoolExecutor(1) as threads:
            log = JsonLines(stdout, show_content=False)
            worst = record_requests(log, recorded)
            dropped = log.dropped
            read = threads.submit(read_all, reader)
            log.close(PATIENCE_SECONDS)
            stdout.close()
            lines = [json.loads(line) for line in read.result().splitlines()]

        notices = [line for line in lines if "dropped" in line]
        requests = [line for line in lines if "httpRequest" in line]
        assert 0 < dropped <= 2000
        assert sum(notice["dropped"] for notice in notices) == dropped
        assert len(requests) == recorded - dropped
        assert worst <= WORST_DELAY_SECONDS

    def test_a_reader_that_never_comes_does_not_hold_up_the_end(self) -> None:
        with a_pipe() as (reader, stdout):
            log = JsonLines(stdout, show_content=False)
            record_requests(log, 1000)
            before = time.monotonic()
            log.close(timeout_seconds=0.2)
            took = time.monotonic() - before
            os.close(reader)

        assert took <= 0.2 + WORST_DELAY_SECONDS

    def test_a_reader_that_has_left_costs_the_lines_alone(self) -> None:
        with a_pipe() as (reader, stdout):
            os.close(reader)
            log = JsonLines(stdout, show_content=False)
            worst = record_requests(log, 300)
            log.close(PATIENCE_SECONDS)

        assert log.dropped == 300
        assert worst <= WORST_DELAY_SECONDS

    def test_a_process_without_standard_output_logs_nothing_and_goes_on(self) -> None:
        log = JsonLines(None, show_content=False)

        record_requests(log, 300)
        log.close(PATIENCE_SECONDS)

        assert log.dropped == 300

    def test_the_stream_stays_as_blocking_as_it_was(self) -> None:
        with a_pipe() as (reader, stdout):
            log = JsonLines(stdout, show_content=False)
            record_requests(log, 1)
            log.close(PATIENCE_SECONDS)
            blocking = os.get_blocking(stdout.fileno())
            os.close(reader)

        assert blocking
