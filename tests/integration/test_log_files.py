"""Logging to real files: whose they are, and when they start anew."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.log_entries import a_compression, a_request
from tests.recording import files_in, ids, record_requests
from tests.waiting import PATIENCE_SECONDS, wait_until


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


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
