"""What several processes counted, told by any of them as one sum.

Each publishes what it has counted from time to time; whoever is asked adds up
what all have published. Counting itself stays a matter of plain numbers in one
process, and nobody waits for anybody.
"""

import mmap
import os
import pickle
import struct
import zlib
from collections.abc import Iterable, Iterator

from attrs import evolve, frozen
from prometheus_client import ProcessCollector
from prometheus_client.core import Metric

from .counts import Counts, CountsNow

_HEADER = struct.Struct("=III")
_COPY_BYTES = 1024 * 1024
"""Room for all that labels from small sets can make; memory never written to takes none."""


class SharedSlots:
    """Memory in which processes leave their latest word for one another, each in a slot.

    A slot has two copies, written in turn, numbered and with a checksum each:
    while one is being written the other stands, even if the writer is killed.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._memory = mmap.mmap(-1, 2 * count * _COPY_BYTES)

    def write(self, slot: int, content: bytes) -> None:
        """Leave `content` in a slot, in which no other process may write at the time."""
        number = self._latest(slot)[0] + 1
        start = self._start(slot, number)
        checksum = zlib.crc32(content, number)
        _HEADER.pack_into(self._memory, start, number, len(content), checksum)
        start += _HEADER.size
        self._memory[start : start + len(content)] = content

    def read(self, slot: int) -> bytes:
        """What was left in a slot last; nothing at first."""
        return self._latest(slot)[1]

    def _latest(self, slot: int) -> tuple[int, bytes]:
        copies: list[tuple[int, bytes]] = []
        # A writer that goes on from one copy to the other may spoil both for a reader.
        while not copies:
            copies = [*self._whole(slot, 0), *self._whole(slot, 1)]
        return max(copies)

    def _whole(self, slot: int, which: int) -> Iterator[tuple[int, bytes]]:
        start = self._start(slot, which)
        number, length, checksum = _HEADER.unpack_from(self._memory, start)
        start += _HEADER.size
        content = self._memory[start : start + length]
        if zlib.crc32(content, number) == checksum:
            yield number, content

    def _start(self, slot: int, number: int) -> int:
        return (2 * slot + number % 2) * _COPY_BYTES


@frozen
class _Published:
    """What one process had counted at a moment."""

    pid: int
    counts: Counts


class SharedCounts:
    """The counts of all processes, as the one that holds a slot tells them.

    A process that takes the place of another goes on from what that one
    published last, so that no sum ever falls.
    """

    def __init__(self, slots: SharedSlots, slot: int, own: CountsNow) -> None:
        self._slots = slots
        self._slot = slot
        self._own = own
        before = self._published(slot)
        self._before = None if before is None else evolve(before.counts, in_flight=0)

    def publish(self) -> None:
        """Leave what this process has counted for the others."""
        published = _Published(os.getpid(), self._of_this_slot())
        self._slots.write(self._slot, pickle.dumps(published))

    def now(self) -> Counts:
        """What all processes have counted; of the others, what they published last."""
        # Whoever is asked next tells no less.
        self.publish()
        return sum((other.counts for other in self._of_others()), self._of_this_slot())

    def processes(self) -> Iterable[Metric]:
        """What each process uses of the machine, told apart by a label."""
        families: dict[str, Metric] = {}
        for pid in (os.getpid(), *(other.pid for other in self._of_others())):
            for metric in _processes(pid):
                family = families.setdefault(metric.name, metric)
                if family is not metric:
                    family.samples += metric.samples
        return families.values()

    def _of_this_slot(self) -> Counts:
        own = self._own.now()
        return own if self._before is None else own + self._before

    def _of_others(self) -> Iterator[_Published]:
        for slot in range(self._slots.count):
            if slot != self._slot and (published := self._published(slot)) is not None:
                yield published

    def _published(self, slot: int) -> _Published | None:
        content = self._slots.read(slot)
        # What stands there was written by a process of this very program.
        published: _Published | None = pickle.loads(content) if content else None  # noqa: S301
        return published


def _processes(pid: int) -> Iterator[Metric]:
    for metric in ProcessCollector(pid=lambda: pid, registry=None).collect():
        metric.samples = [sample._replace(labels={"pid": str(pid)}) for sample in metric.samples]
        yield metric
