"""Processes under measurement: where they run, and what they use by the kernel's own accounting."""

import os
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM
from typing import Self

from attrs import frozen

Processors = frozenset[int]

_STOP_SECONDS = 10


@frozen
class Places:
    """Which processors the load and the upstream run on, and which are left to a contender."""

    load: Processors
    contender: Processors

    @classmethod
    def of_this_machine(cls) -> Self:
        """Apart where there are two processors or more, otherwise wherever they fall."""
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) == 1:
            return cls(frozenset(allowed), frozenset(allowed))
        return cls(frozenset(allowed[:1]), frozenset(allowed[1:2]))


@contextmanager
def running_on(processors: Processors) -> Generator[None]:
    """What is started within runs on these processors alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Process:
    """A command and its children, from start to end."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> None:
        self.started = time.monotonic()
        self._output = directory / "output"
        with self._output.open("ab") as output:
            self._popen = subprocess.Popen(  # noqa: S603 the commands are this benchmark's own
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={"PATH": os.environ["PATH"], "HOME": str(directory), **environment},
            )

    @property
    def has_ended(self) -> bool:
        """Whether it ended by itself."""
        return self._popen.poll() is not None

    @property
    def last_words(self) -> str:
        """The last line that it has written."""
        lines = self._output.read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line), "without a word")

    def cpu_seconds(self) -> float:
        """Processor time used so far, in user and in kernel mode, by all threads."""
        return sum(map(_cpu_seconds, self._tree()))

    def resident_bytes(self) -> int:
        """Physical memory in use; what several processes share counts for each."""
        return sum(_kernel_bytes(f"/proc/{pid}/status", "VmRSS") for pid in self._tree())

    def proportional_bytes(self) -> list[int]:
        """Physical memory of each process, the first one first; what several share is divided."""
        return [_kernel_bytes(f"/proc/{pid}/smaps_rollup", "Pss") for pid in self._tree()]

    def peak_bytes(self) -> int:
        """The most that was resident since `forget_peak`."""
        return sum(_kernel_bytes(f"/proc/{pid}/status", "VmHWM") for pid in self._tree())

    def forget_peak(self) -> None:
        """Let the peak start anew at what is resident now."""
        for pid in self._tree():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def stop(self) -> None:
        """End it, by force if need be."""
        self._popen.send_signal(SIGTERM)
        try:
            self._popen.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def _tree(self) -> list[int]:
        pids = [self._popen.pid]
        for pid in pids:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                pids.extend(map(int, (thread / "children").read_text().split()))
        return pids


def _cpu_seconds(pid: int) -> float:
    # The clock of another process, as clock_getcpuclockid(3) names it on Linux:
    # to the nanosecond, where /proc/PID/stat counts in hundredths of a second.
    return time.clock_gettime((~pid << 3) | 2)


def _kernel_bytes(path: str, name: str) -> int:
    for line in Path(path).read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
