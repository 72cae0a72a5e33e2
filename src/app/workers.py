"""Several processes that serve one address as if they were one.

The process that the user starts forks all others and supervises them. One
writes the logs; each of the rest is a server, with a socket of its own on the
same address, among which the system spreads connections. Nothing is shared but
what does not change, the counts that each publishes, and the way to the logs.
"""

import gc
import os
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from threading import Thread

import uvicorn
from attrs import field, frozen
from dependency_injector import providers

from ..adapters.compression.tokenizer import DamagedVocabulary
from ..adapters.logs.library_logs import Lines, QueuedLines, send_logs_to, standard_error
from ..adapters.logs.pipes import LogPipe, PipedLog, Rendezvous, record_from
from ..adapters.metrics.shared_counts import SharedCounts, SharedSlots
from .container import Container
from .server import announce, run_server, server_options
from .settings import Settings
from .supervisor import Supervisor, end_by

_PATIENCE_SECONDS = 0.1


def serve_by_workers(container: Container) -> None:
    """Listen and relay by as many processes as the settings say, until told to stop."""
    settings = container.settings()
    _log_without_a_thread(settings)
    announce(container)
    listeners = _listeners(settings)
    workers = _Workers(container, listeners, Rendezvous(), SharedSlots(settings.workers + 1))
    supervisor = Supervisor()
    _leave_alone_what_stands()
    supervisor.start("log writer", workers.write_logs)
    _load_what_all_need(container)
    _leave_alone_what_stands()
    for slot in range(settings.workers):
        supervisor.start(f"worker {slot + 1}", partial(workers.serve, slot))
    code = supervisor.wait()
    for listener in listeners:
        listener.close()
    workers.rendezvous.close()
    supervisor.stop(settings.shutdown_grace_s)
    end_by(code)


@frozen
class _Workers:
    """What the processes have in common, and what each of them does."""

    container: Container
    listeners: list[socket.socket]
    rendezvous: Rendezvous
    slots: SharedSlots
    supervisor_pid: int = field(factory=os.getpid)

    def serve(self, slot: int) -> None:
        """Be one of the servers."""
        container = self.container
        send_logs_to(QueuedLines(container.settings().line_format, LogPipe(self.rendezvous).send))
        for other in self.listeners[:slot] + self.listeners[slot + 1 :]:
            other.close()
        if container.settings().log_format != "none":
            container.override_providers(log=providers.Object(PipedLog(self.rendezvous)))
        counts = self._shared_counts(slot)
        container.override_providers(counts=providers.Object(counts))

        async def on_tick() -> None:
            counts.publish()
            if os.getppid() != self.supervisor_pid:
                signal.raise_signal(signal.SIGTERM)

        run_server(container, self.listeners[slot], on_tick)

    def write_logs(self) -> None:
        """Be the one that writes what all others log, until none of them is left."""
        # A terminal interrupts all its processes at once.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for listener in self.listeners:
            listener.close()
        log_format = self.container.settings().line_format
        lines = QueuedLines(log_format, standard_error(log_format).write)
        send_logs_to(lines)
        log = self.container.log()
        counts = self._shared_counts(len(self.listeners))
        threads: list[Thread] = []
        for pipe in self.rendezvous.accept(counts.publish):
            threads.append(Thread(target=record_from, args=(pipe, log, lines.put)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        log.close()

    def _shared_counts(self, slot: int) -> SharedCounts:
        return SharedCounts(self.slots, slot, self.container.counts())


def _log_without_a_thread(settings: Settings) -> None:
    # This process forks, and says so little that it need not queue it.
    output = standard_error(settings.line_format, _PATIENCE_SECONDS)
    send_logs_to(Lines(settings.line_format, lambda line: output.write([line])))


def _listeners(settings: Settings) -> list[socket.socket]:
    """A socket on the same address for each worker.

    With one for all, whoever wakes up first takes a whole burst of connections;
    Linux spreads them among several sockets. They are open here as well, so that
    connections wait for a worker that is not there yet, or died.
    """
    first = uvicorn.Config("", **server_options(settings)).bind_socket()
    others = range(settings.workers - 1)
    if sys.platform == "linux":
        # Not before it is bound, or another program that does the same would go unnoticed.
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listeners = [first, *(_beside(first) for _ in others)]
    else:
        listeners = [first, *(first.dup() for _ in others)]
    for listener in listeners:
        listener.listen()
    return listeners


def _beside(first: socket.socket) -> socket.socket:
    listener = socket.socket(first.family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(first.getsockname())
    return listener


def _load_what_all_need(container: Container) -> None:
    """Load before the fork what all are to read in the same memory."""
    if container.policy().compresses:
        # Each worker tries again, logs why it cannot, and is never ready.
        with suppress(OSError, DamagedVocabulary):
            container.vocabularies().tokenizer_for("")


def _leave_alone_what_stands() -> None:
    # A collection that looked it over in a child would write to it, and so copy it.
    gc.collect()
    gc.freeze()
