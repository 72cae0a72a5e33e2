"""Log sinks that write to real files and pipes, what is recorded in them, and what came out."""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tests.log_entries import a_request

from openai_proxy.adapters.logs.sinks import RotatingFiles
from openai_proxy.domain.ports import LogSink

WORST_DELAY_SECONDS = 0.5
"""How long a request may be held up by its log, whatever stands in the way."""


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
