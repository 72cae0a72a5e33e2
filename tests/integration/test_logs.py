"""Logging to real files, FIFOs and pipes, most of which misbehave."""

import json
import os
import stat
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest
from tests.log_entries import a_compression, a_request, a_text
from tests.waiting import PATIENCE_SECONDS, wait_until

from openai_proxy.adapters.logs.sinks import JsonLines, RotatingFiles
from openai_proxy.domain.ports import LogSink

WORST_DELAY_SECONDS = 0.5
"""How long a request may be held up by its log, whatever stands in the way."""

QUEUE = 10_000


def files_in(
    directory: Path,
    *,
    max_bytes: int = 1_000_000,
    backups: int = 3,
    terminal: TextIO | None = None,
) -> RotatingFiles:
    return RotatingFiles(
        directory, max_bytes=max_bytes, backups=backups, show_content=True, terminal=terminal
    )


def record_requests(log: LogSink, count: int, start: int = 0) -> float:
    """Record so many requests and return how long the slowest call took."""
    worst = 0.0
    for number in range(start, start + count):
        request = a_request(request_id=str(number))
        before = time.perf_counter()
        log.record_request(request)
        worst = max(worst, time.perf_counter() - before)
    return worst


def ids(text: str) -> list[int]:
    """The requests that lines of proxy_requests.log tell of; -1 where a notice stands."""
    return [-1 if line.endswith("dropped") else int(line.split()[1]) for line in text.splitlines()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def read_all(descriptor: int) -> str:
    """What is written until the writer closes its end."""
    with open(descriptor, encoding="ascii") as reader:
        return reader.read()


@contextmanager
def a_pipe() -> Generator[tuple[int, TextIO]]:
    """The end to read from, and a stream into the other."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        yield reader, stream


class TestFiles:
    def test_a_line_a_request_and_an_entry_a_compression_are_written(self, tmp_path: Path) -> None:
        log = files_in(tmp_path)

        log.record_compression("5f3a-1", a_compression())
        log.record_request(a_request(compression=a_compression()))
        log.close(PATIENCE_SECONDS)

        line = (tmp_path / "proxy_requests.log").read_text()
        entry = (tmp_path / "compression.log").read_text()
        assert line.endswith("compression=applied tokens=10->6\n")
        assert "| The quick brown fox jumps over the lazy dog.\n---- AFTER\n" in entry
        assert log.dropped == 0

    @pytest.mark.parametrize("umask", [0o000, 0o777])
    def test_only_their_owner_can_read_them(self, tmp_path: Path, umask: int) -> None:
        log = files_in(tmp_path)
        before = os.umask(umask)

        try:
            log.record_compression("5f3a-1", a_compression())
            log.record_request(a_request())
            log.close(PATIENCE_SECONDS)
        finally:
            os.umask(before)

        assert {path.name: mode(path) for path in tmp_path.iterdir()} == {
            "compression.log": 0o600,
            "proxy_requests.log": 0o600,
        }

    def test_one_left_readable_by_an_earlier_program_is_closed_to_others(
        self, tmp_path: Path
    ) -> None:
        left_behind = tmp_path / "compression.log"
        left_behind.write_text("earlier\n")
        left_behind.chmod(0o644)
        log = files_in(tmp_path)

        log.record_compression("5f3a-1", a_compression())
        log.close(PATIENCE_SECONDS)

        assert mode(left_behind) == 0o600
        assert left_behind.read_text().startswith("earlier\n====")

    def test_they_rotate_before_they_grow_too_long(self, tmp_path: Path) -> None:
        log = files_in(tmp_path, max_bytes=1000, backups=2)

        record_requests(log, 100)
        log.close(PATIENCE_SECONDS)

        files = [tmp_path / f"proxy_requests.log{end}" for end in (".2", ".1", "")]
        assert sorted(tmp_path.iterdir()) == sorted(files)
        assert all(path.stat().st_size <= 1000 and mode(path) == 0o600 for path in files)
        kept = ids("".join(path.read_text() for path in files))
        assert kept == list(range(100))[-len(kept) :]

    def test_without_backups_the_file_starts_anew(self, tmp_path: Path) -> None:
        log = files_in(tmp_path, max_bytes=1000, backups=0)

        record_requests(log, 100)
        log.close(PATIENCE_SECONDS)

        (path,) = tmp_path.iterdir()
        assert path.stat().st_size <= 1000
        assert ids(path.read_text())[-1] == 99

    def test_one_that_was_removed_is_created_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "proxy_requests.log"
        log = files_in(tmp_path)
        record_requests(log, 1)
        wait_until(path.exists)
        path.unlink()

        record_requests(log, 1, start=1)
        log.close(PATIENCE_SECONDS)

        assert ids(path.read_text()) == [1]

    def test_a_directory_that_does_not_exist_is_made(self, tmp_path: Path) -> None:
        log = files_in(tmp_path / "var" / "log")

        record_requests(log, 1)
        log.close(PATIENCE_SECONDS)

        assert ids((tmp_path / "var" / "log" / "proxy_requests.log").read_text()) == [0]

    def test_threads_that_record_at_once_tear_no_line(self, tmp_path: Path) -> None:
        log = files_in(tmp_path)

        with ThreadPoolExecutor(4) as threads:
            for start in range(0, 2000, 500):
                threads.submit(record_requests, log, 500, start)
        log.close(PATIENCE_SECONDS)

        assert sorted(ids((tmp_path / "proxy_requests.log").read_text())) == list(range(2000))

    def test_what_is_recorded_after_the_end_is_counted_as_dropped(self, tmp_path: Path) -> None:
        log = files_in(tmp_path)
        log.close(PATIENCE_SECONDS)

        record_requests(log, 3)

        assert log.dropped == 3


class TestFilesThatCannotBeWritten:
    def test_after_a_full_disk_a_line_counts_what_is_missing(self, tmp_path: Path) -> None:
        path = tmp_path / "proxy_requests.log"
        path.symlink_to("/dev/full")
        log = files_in(tmp_path)

        worst = record_requests(log, 300)
        wait_until(lambda: log.dropped == 300)
        path.unlink()
        record_requests(log, 2, start=300)
        log.close(PATIENCE_SECONDS)

        notice, *lines = path.read_text().splitlines()
        assert notice.endswith(" 300 entries were dropped")
        assert ids("\n".join(lines)) == [300, 301]
        assert worst <= WORST_DELAY_SECONDS

    def test_a_directory_in_the_way_loses_one_file_and_not_the_other(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "compression.log").mkdir()
        log = files_in(tmp_path)

        for _ in range(300):
            log.record_compression("5f3a-1", a_compression())
        worst = record_requests(log, 300)
        log.close(PATIENCE_SECONDS)

        assert ids((tmp_path / "proxy_requests.log").read_text()) == list(range(300))
        assert log.dropped == 300
        assert worst <= WORST_DELAY_SECONDS
        (warning,) = (record.getMessage() for record in caplog.records)
        assert warning.startswith(f"{tmp_path / 'compression.log'}: Is a directory; ")

    def test_a_fifo_is_written_once_somebody_reads_it(self, tmp_path: Path) -> None:
        path = tmp_path / "proxy_requests.log"
        os.mkfifo(path)
        log = files_in(tmp_path)

        worst = record_requests(log, 300)
        wait_until(lambda: log.dropped == 300)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        record_requests(log, 1, start=300)
        log.close(PATIENCE_SECONDS)

        notice, line = read_all(reader).splitlines()
        assert notice.endswith(" 300 entries were dropped")
        assert ids(line) == [300]
        assert worst <= WORST_DELAY_SECONDS

    def test_a_fifo_whose_reader_leaves_and_returns_starts_with_a_whole_entry(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "compression.log"
        os.mkfifo(path)
        log = files_in(tmp_path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        log.record_compression("5f3a-1", a_compression(a_text("word " * 20_000)))
        log.record_compression("5f3a-2", a_compression())
        wait_until(lambda: log.dropped == 1)
        os.close(reader)
        log.record_compression("5f3a-3", a_compression())
        wait_until(lambda: log.dropped == 2)

        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        log.record_compression("5f3a-4", a_compression())
        log.close(PATIENCE_SECONDS)

        notice, first, *_ = read_all(reader).splitlines()
        assert notice.endswith(" 2 entries were dropped")
        assert " request 5f3a-4 " in first

    def test_an_entry_that_a_stuck_reader_has_cut_is_finished_first(self, tmp_path: Path) -> None:
        path = tmp_path / "compression.log"
        os.mkfifo(path)
        log = files_in(tmp_path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        log.record_compression("5f3a-1", a_compression(a_text("word " * 20_000)))
        log.record_compression("5f3a-2", a_compression())
        wait_until(lambda: log.dropped == 1)
        read = os.read(reader, 1_000_000)

        log.record_compression("5f3a-3", a_compression())
        log.close(PATIENCE_SECONDS)

        whole = read.decode() + read_all(reader)
        assert f"| {'word ' * 20_000}\n---- AFTER\n" in whole
        assert "summary 5f3a-1: 1 of 1 texts compressed" in whole
        assert " 1 entry was dropped\n==== " in whole
        assert "summary 5f3a-3: 1 of 1 texts compressed" in whole

    def test_a_stuck_fifo_loses_its_own_lines_and_no_others(self, tmp_path: Path) -> None:
        stuck = tmp_path / "compression.log"
        os.mkfifo(stuck)
        reader = os.open(stuck, os.O_RDONLY | os.O_NONBLOCK)
        log = files_in(tmp_path)
        long_text = a_compression(a_text("word " * 20_000))

        for _ in range(30):
            log.record_compression("5f3a-1", long_text)
        worst = record_requests(log, 300)
        wait_until(lambda: log.dropped == 29)
        log.close(PATIENCE_SECONDS)
        os.close(reader)

        assert ids((tmp_path / "proxy_requests.log").read_text()) == list(range(300))
        assert worst <= WORST_DELAY_SECONDS

    def test_a_slow_reader_of_a_fifo_misses_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "proxy_requests.log"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(reader, True)
        log = files_in(tmp_path)

        record_requests(log, 5000)
        time.sleep(0.2)
        with ThreadPoolExecutor(1) as threads:
            read = threads.submit(read_all, reader)
            log.close(PATIENCE_SECONDS)
            lines = read.result()

        assert ids(lines) == list(range(5000))


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
