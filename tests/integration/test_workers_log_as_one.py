"""Several processes that log through one."""

import json
import os
import re
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.running_proxy import RunningProxy, StartProxy, wait_for
from tests.waiting import wait_until
from tests.workers import CHAT, MANY, ask, ask_at_once, chat, children, wait_for_lines, workers


@pytest.fixture
def proxy(start_two: StartProxy) -> RunningProxy:
    return start_two()


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
