"""How several processes log through one, which alone writes.

A process that records queues entries as a LogWriter does. Its thread then sends
them, a batch at a time, through a pipe to the process that writes, where they
reach the sinks as if they had been recorded there. A pipe belongs to one
process, so that one which is killed in the midst of a batch spoils no other's.
Batches are confirmed, so that what the process that writes leaves in a pipe
when it is killed counts as dropped.

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

    def connect(self) -> "ConfirmedPipe":
        """A new pipe to the process that writes."""
        incoming, outgoing = Pipe(duplex=False)
        confirmations, confirming = Pipe(duplex=False)
        with incoming, confirming:
            socket.send_fds(self._outside, [b"."], [incoming.fileno(), confirming.fileno()])
        return ConfirmedPipe(outgoing, confirmations)

    def close(self) -> None:
        """Promise that this process connects no more."""
        self._outside.close()

    def accept(self, on_tick: Callable[[], None]) -> Iterator["PipeEnds"]:
        """The pipes in the order they come, until all who might connect have closed it or ended.

        Calls `on_tick` about every second in which nobody comes.
        """
        self.close()
        self._inside.settimeout(_TICK_SECONDS)
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self._inside, 1, 2)
            except TimeoutError:
                on_tick()
                continue
            if not message:
                return
            incoming, confirming = descriptors
            yield Connection(incoming, writable=False), Connection(confirming, readable=False)


PipeEnds = tuple[Connection, Connection]
"""Where batches come in, and where each is confirmed."""


class ConfirmedPipe:
    """A pipe that knows how many entries may not have arrived."""

    def __init__(self, outgoing: Connection, confirmations: Connection) -> None:
        self._outgoing = outgoing
        self._confirmations = confirmations
        self._unconfirmed = 0

    def send(self, entries: Sequence[object], missed: int) -> None:
        """Send a batch, and how many were missed before it. Raises OSError if nobody hears."""
        self._take_confirmations()
        self._outgoing.send((entries, missed))
        self._unconfirmed += len(entries)

    def close(self) -> int:
        """Close it, and say how many entries have not arrived."""
        self._take_confirmations()
        self._outgoing.close()
        self._confirmations.close()
        return self._unconfirmed

    def _take_confirmations(self) -> None:
        with suppress(EOFError):
            while self._confirmations.poll():
                self._unconfirmed -= self._confirmations.recv()


class LogPipe:
    """A pipe to the process that writes, and another one once that process was replaced."""

    def __init__(self, rendezvous: Rendezvous) -> None:
        self._rendezvous = rendezvous
        self._pipe: ConfirmedPipe | None = None
        self.lost = 0
        """How many entries were left in pipes that nobody reads any more."""
        self._told = 0

    def send(self, entries: Sequence[object], missed: int) -> None:
        """Send a batch, and how many were missed before it. Raises OSError if nobody hears."""
        if self._pipe is None:
            self._pipe = self._rendezvous.connect()
        try:
            self._pipe.send(entries, missed + self.lost - self._told)
        except OSError:
            self.lost += self._pipe.close()
            self._pipe = None
            raise
        self._told = self.lost


class PipedLog(QueuedSink):
    """A log sink in a process that only records."""

    def __init__(self, rendezvous: Rendezvous) -> None:
        self._pipe = LogPipe(rendezvous)
        super().__init__(self._pipe.send)

    @property
    def dropped(self) -> int:
        """How many entries were lost, wherever that was."""
        return super().dropped + self._pipe.lost


def record_from(pipe: PipeEnds, log: LogSink, put_line: Callable[[bytes], None]) -> None:
    """Record what comes through a pipe until the process at its other end has ended."""
    incoming, confirming = pipe
    with incoming, confirming, suppress(EOFError, OSError):
        while True:
            entries, missed = incoming.recv()
            if missed:
                _log.warning("%s on the way to the process that writes", entries_dropped(missed))
            for entry in entries:
                _record(entry, log, put_line)
            # Who sent it may have ended, and left more to read.
            with suppress(OSError):
                confirming.send(len(entries))


def _record(entry: Record | bytes, log: LogSink, put_line: Callable[[bytes], None]) -> None:
    match entry:
        case RelayedRequest():
            log.record_request(entry)
        case RecordedCompression():
            log.record_compression(entry.request_id, entry.compressed)
        case bytes():
            put_line(entry)
