"""Logging to files and FIFOs that misbehave."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.log_entries import a_compression, a_text
from tests.recording import WORST_DELAY_SECONDS, files_in, ids, read_all, record_requests
from tests.waiting import PATIENCE_SECONDS, wait_until


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
