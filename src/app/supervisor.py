"""Processes that are kept running: whichever dies is replaced, until all are to end.

The supervising process has neither an event loop nor threads, since a lock that
a thread holds while another one forks stays locked in the child for good. It
waits for signals, and does nothing between them.
"""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from types import FrameType

from attrs import define, field

_ENDS = frozenset({signal.SIGTERM, signal.SIGINT})
_SIGNALS = _ENDS | {signal.SIGCHLD, signal.SIGALRM}
_STARTING_SECONDS = 5.0
"""Whoever fails by itself so soon would fail again."""
_CUTTING_SECONDS = 1.5

_log = logging.getLogger("openai_proxy")


@define
class _Job:
    """Something that one process or another does at any time."""

    name: str
    run: Callable[[], None]
    process: BaseProcess = field(init=False)
    started_at: float = field(init=False)

    def start(self) -> None:
        """Fork a process that does it."""
        self.started_at = time.monotonic()
        self.process = multiprocessing.get_context("fork").Process(target=_run, args=(self.run,))
        self.process.start()

    @property
    def has_died(self) -> bool:
        """Whether nobody does it any more."""
        return self.process.exitcode is not None

    @property
    def death(self) -> str:
        """What is to be said of it."""
        process = self.process
        return f"The {self.name} (process {process.pid}) died with exit code {process.exitcode}"

    @property
    def age_seconds(self) -> float:
        """For how long it has been done by this process."""
        return time.monotonic() - self.started_at


class Supervisor:
    """Forks a process for each job, and waits.

    Those who die at once do so every `pause_seconds`, to leave something to the others.
    """

    def __init__(self, pause_seconds: float = 1.0) -> None:
        self._pause_seconds = pause_seconds
        self._jobs: list[_Job] = []
        self._began = time.monotonic()
        # Blocked signals wait to be asked for; some systems forget a child's end without a handler.
        signal.signal(signal.SIGCHLD, _take_no_notice)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def start(self, name: str, run: Callable[[], None]) -> None:
        """Have a process do `run`, and another one if that dies."""
        job = _Job(name, run)
        job.start()
        self._jobs.append(job)

    def wait(self) -> int:
        """Replace whoever dies until told to stop, or until somebody cannot start.

        Returns what an exit code tells: -15 for SIGTERM, or the failure's own.
        """
        while (received := signal.sigwait(_SIGNALS)) not in _ENDS:
            dead = [job for job in self._jobs if job.has_died]
            for job in dead:
                code = job.process.exitcode or 0
                if code > 0 and time.monotonic() - self._began < _STARTING_SECONDS:
                    _log.error("The %s could not start", job.name)
                    return code
                _log.error("%s; another process takes its place", job.death)
            if any(job.age_seconds < self._pause_seconds for job in dead):
                self._pause()
            for job in dead:
                job.start()
        return -received

    def stop(self, grace_seconds: float) -> None:
        """Tell all to end, and end by force who has not after `grace_seconds` and a little.

        The first job is the last to be ended so, since others may need it.
        """
        self._signal(signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, grace_seconds + _CUTTING_SECONDS, _CUTTING_SECONDS)
        while alive := [job for job in self._jobs if not job.has_died]:
            match signal.sigwait(_SIGNALS):
                case signal.SIGALRM:
                    for job in alive[1:] or alive:
                        job.process.kill()
                case signal.SIGINT:
                    self._signal(signal.SIGINT)
                case _:
                    pass
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _pause(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._pause_seconds)
        received = signal.sigwait(_ENDS | {signal.SIGALRM})
        signal.setitimer(signal.ITIMER_REAL, 0)
        if received in _ENDS:
            signal.raise_signal(received)  # The next who waits is to hear of it.

    def _signal(self, number: signal.Signals) -> None:
        for job in self._jobs:
            if not job.has_died and job.process.pid is not None:
                os.kill(job.process.pid, number)


def end_by(code: int) -> None:
    """End this process as one server alone does: of SIGTERM, and after an interrupt with success."""
    if code > 0:
        sys.exit(code)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    if code == -signal.SIGTERM:
        signal.raise_signal(signal.SIGTERM)


def _run(run: Callable[[], None]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Ended by the signal itself, it would lose what is queued to be logged.
    signal.signal(signal.SIGTERM, _exit)
    # A terminal interrupts all its processes, and Python would trace that past the log.
    signal.signal(signal.SIGINT, _exit)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    try:
        run()
    except Exception:  # noqa: BLE001 whatever it is must be logged in the form that is asked for
        _log.critical("uncaught exception", exc_info=True)
        sys.exit(1)
    finally:
        logging.shutdown()


def _take_no_notice(number: int, frame: FrameType | None) -> None:
    pass


def _exit(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (as signals are handled)
    sys.exit()
