"""How several processes log through one, which alone writes.

A process that records queues entries as a LogWriter does. Its thread then sends
them, a batch at a time, through a pipe to the process that writes, where they
reach the sinks as if they had been recorded there. A pipe belongs to one
process, so that one which is killed in the midst of a batch spoils no other's.

    rendezvous = Rendezvous()  # before the processes are forked
    PipedLog(rendezvous)       # the log sink of a process that records
    LogPipe(rendezvous).send   # what its own log lines are written with
    rendezvous.accept(...)     # the pipes, for the process that writes
"""

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from ...domain.ports import LogSink, RelayedRequest
from .queued_sink import QueuedSink
from .records import Record, RecordedCompression, entries_dropped

_log = logging.getLogger("openai_proxy.logs")

_TICK_SECONDS = 1.0


class Rendezvous:
    """Where processes leave the reading ends of their pipes for the one that writes.

    It outlives that one, so that whoever takes its place finds who connected meanwhile.
    """

    def __init__(self) -> None:
        self._outside, self._inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def connect(self) -> Connection:
        """A new pipe to the process that writes."""
        reader, writer = Pipe(duplex=False)
        with reader:
            socket.send_fds(self._outside, [b"."], [reader.fileno()])
        return writer

    def close(self) -> None:
        """Promise that this process connects no more."""
        self._outside.close()

    def accept(self, on_tick: Callable[[], None]) -> Iterator[Connection]:
        """The pipes in the order they come, until all who might connect have closed it or ended.

        Calls `on_tick` about every second in which nobody comes.
        """
        self.close()
        self._inside.settimeout(_TICK_SECONDS)
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self._inside, 1, 1)
            except TimeoutError:
                on_tick()
                continue
            if not message:
                return
            yield Connection(descriptors[0], writable=False)


class LogPipe:
    """A pipe to the process that writes, and another one once that process was replaced."""

    def __init__(self, rendezvous: Rendezvous) -> None:
        self._rendezvous = rendezvous
        self._pipe: Connection | None = None

    def send(self, entries: Sequence[object], missed: int) -> None:
        """Send a batch, and how many were missed before it. Raises OSError if nobody hears."""
        if self._pipe is None:
            self._pipe = self._rendezvous.connect()
        try:
            self._pipe.send((entries, missed))
        except OSError:
            self._pipe.close()
            self._pipe = None
            raise


class PipedLog(QueuedSink):
    """A log sink in a process that only records."""

    def __init__(self, rendezvous: Rendezvous) -> None:
        super().__init__(LogPipe(rendezvous).send)


def record_from(pipe: Connection, log: LogSink, put_line: Callable[[bytes], None]) -> None:
    """Record what comes through a pipe until the process at its other end has ended."""
    with pipe, suppress(EOFError, OSError):
        while True:
            entries, missed = pipe.recv()
            if missed:
                _log.warning("%s on the way to the process that writes", entries_dropped(missed))
            for entry in entries:
                _record(entry, log, put_line)


def _record(entry: Record | bytes, log: LogSink, put_line: Callable[[bytes], None]) -> None:
    match entry:
        case RelayedRequest():
            log.record_request(entry)
        case RecordedCompression():
            log.record_compression(entry.request_id, entry.compressed)
        case bytes():
            put_line(entry)
