"""Where the product says what it did: in files, as JSON lines, or nowhere.

Each of these is a LogSink:

    RotatingFiles(directory, *, max_bytes, backups, show_content, terminal=None)
    JsonLines(stream, *, show_content, project=None)
    NoLogs()

Recording costs about as much as appending to a queue: see QueuedSink.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from ...domain.bodies.compressed_body import CompressedBody
from ...domain.ports import RelayedRequest
from . import json_format, text_format
from .outputs import Output, RotatingFile, Stream
from .queued_sink import QueuedSink
from .records import Record, RecordedCompression

_log = logging.getLogger("openai_proxy.logs")

_TERMINAL_PATIENCE_SECONDS = 0.1


class RotatingFiles(QueuedSink):
    """proxy_requests.log and compression.log, and a short line a request on the terminal.

    `show_content=False` puts hashes into compression.log where the texts would
    stand. Nothing is opened before there is something to write.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_bytes: int,
        backups: int,
        show_content: bool,
        terminal: TextIO | None = None,
    ) -> None:
        super().__init__(self._write)
        file = partial(_file_output, directory, max_bytes=max_bytes, backups=backups)
        self._requests = file("proxy_requests.log")
        self._compressions = file("compression.log")
        self._terminal = None if terminal is None else _terminal_output(terminal)
        self._terminal_line = partial(
            text_format.terminal_line, colour=terminal is not None and terminal.isatty()
        )
        self._compression_entry = partial(text_format.compression_entry, show_content=show_content)

    @property
    def dropped(self) -> int:
        """How many entries were lost, wherever that was."""
        outputs = (self._requests, self._compressions, self._terminal)
        return super().dropped + sum(output.dropped for output in outputs if output)

    def close(self, timeout_seconds: float = 1.0) -> None:
        """Write what is queued, for as long as `timeout_seconds`."""
        if self._writer.close(timeout_seconds):
            self._requests.close()
            self._compressions.close()

    def _write(self, records: Sequence[Record], missed: int) -> None:
        requests = [record for record in records if isinstance(record, RelayedRequest)]
        compressions = [record for record in records if isinstance(record, RecordedCompression)]
        self._requests.write(_encoded(text_format.request_line, requests), missed)
        self._compressions.write(_encoded(self._compression_entry, compressions), missed)
        if self._terminal is not None:
            self._terminal.write(_encoded(self._terminal_line, requests), missed)


class JsonLines(QueuedSink):
    """One JSON object a line, for whoever collects the lines of a process.

    A stream that is not read is waited for: the queue keeps what comes
    meanwhile, and drops and counts what it has no room for. `project` is the
    Google Cloud project that the trace of a request belongs to.
    """

    def __init__(
        self, stream: TextIO | None, *, show_content: bool, project: str | None = None
    ) -> None:
        super().__init__(self._write)
        self._output = Output(Stream(stream), _json_notice)
        self._show_content = show_content
        self._project = project

    @property
    def dropped(self) -> int:
        """How many entries were lost, wherever that was."""
        return super().dropped + self._output.dropped

    def _write(self, records: Sequence[Record], missed: int) -> None:
        lines = [line.encode() for record in records for line in self._lines(record)]
        self._output.write(lines, missed)

    def _lines(self, record: Record) -> Sequence[str]:
        if isinstance(record, RelayedRequest):
            return [json_format.request_line(record, self._project)]
        return json_format.compression_lines(record, show_content=self._show_content)


class NoLogs:
    """Says nothing."""

    dropped = 0

    def record_request(self, request: RelayedRequest) -> None:
        """Forget it."""

    def record_compression(self, request_id: str, compressed: CompressedBody) -> None:
        """Forget it."""

    def close(self, timeout_seconds: float = 1.0) -> None:
        """Nothing is queued."""


def _file_output(directory: Path, name: str, *, max_bytes: int, backups: int) -> Output:
    path = directory / name
    return Output(RotatingFile(path, max_bytes, backups), _text_notice, partial(_warn, path))


def _terminal_output(terminal: TextIO) -> Output:
    return Output(Stream(terminal, _TERMINAL_PATIENCE_SECONDS), _text_notice)


def _warn(path: Path, error: OSError) -> None:
    _log.warning(
        "%s: %s; entries are dropped until it can be written", path, error.strerror or error
    )


def _text_notice(count: int) -> bytes:
    return text_format.dropped_notice(count).encode()


def _json_notice(count: int) -> bytes:
    return json_format.dropped_notice(count).encode()


def _encoded(spell: Callable[[Any], str], records: Sequence[Record]) -> list[bytes]:
    # A lone surrogate has no UTF-8 form, yet a JSON string may hold one.
    return [spell(record).encode(errors="backslashreplace") for record in records]
