"""How something is logged without waiting for whoever reads the log.

Recording appends to a bounded queue and returns. One thread takes entries off
it, a batch at a time, and does all formatting and writing; it alone waits for a
full disk, a stuck pipe or a slow reader. What finds no room is counted.
"""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Event, RLock, Thread
from typing import Generic, TypeVar

Entry = TypeVar("Entry")
Write = Callable[[Sequence[Entry], int], None]

CAPACITY = 10_000
MIB = 1024 * 1024
MAX_QUEUED_SIZE = 32 * MIB

_BATCH = 64
"""Entries formatted at a time: some hundred microseconds without a pause for other threads."""


class LogWriter(Generic[Entry]):
    """A bounded queue and the one thread that empties it.

    `write` is called on that thread alone, with a batch and the number of
    entries that have found no room since the batch before. Entries gather for
    `gathering_seconds` after the first, so that a busy log wakes it seldom.
    """

    def __init__(
        self,
        write: Write[Entry],
        *,
        capacity: int = CAPACITY,
        gathering_seconds: float = 0.1,
    ) -> None:
        self._write = write
        self._capacity = capacity
        self._gathering_seconds = gathering_seconds
        self._entries: deque[tuple[Entry, int]] = deque()
        self._queued_size = 0
        self._dropped = 0
        self._reported = 0
        # An object that is collected meanwhile may log from its __del__, on the same thread.
        self._lock = RLock()
        self._thread: Thread | None = None
        self._resting = True
        self._wake = Event()
        self._closed = Event()

    @property
    def dropped(self) -> int:
        """How many entries were not handed to `write`."""
        return self._dropped

    def put(self, entry: Entry, size: int = 0) -> None:
        """Queue an entry. `size` bounds together what heavy entries hold in memory."""
        if len(self._entries) >= self._capacity or (size and not self._reserve(size)):
            self._drop(1)
            return
        self._entries.append((entry, size))
        # Waking a thread costs a hundred times an append: once a batch will do.
        if self._resting:
            self._resting = False
            self._rouse()

    def close(self, timeout_seconds: float = 1.0) -> bool:
        """Write what is queued, for as long as `timeout_seconds`, and say whether that was enough.

        Later entries are dropped.
        """
        self._capacity = 0
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        return self._thread is None or not self._thread.is_alive()

    def _reserve(self, size: int) -> bool:
        with self._lock:
            if self._queued_size and self._queued_size + size > MAX_QUEUED_SIZE:
                return False
            self._queued_size += size
        return True

    def _release(self, size: int) -> None:
        with self._lock:
            self._queued_size -= size

    def _drop(self, count: int) -> None:
        with self._lock:
            self._dropped += count

    def _rouse(self) -> None:
        with self._lock:
            if self._thread is None:
                self._start()
        self._wake.set()

    def _start(self) -> None:
        self._thread = Thread(target=self._run, name="log writer", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # No thread can be had, or the interpreter is shutting down: try at the next entry.
            self._thread = None
            self._resting = True

    def _run(self) -> None:
        while True:
            while self._entries:
                self._write_batch()
            if self._closed.is_set():
                return
            self._rest()

    def _rest(self) -> None:
        self._resting = True
        # An entry that came before the flag was up has roused nobody.
        if not self._entries:
            self._wake.wait()
        self._wake.clear()
        self._resting = False
        self._closed.wait(self._gathering_seconds)

    def _write_batch(self) -> None:
        batch = [self._entries.popleft() for _ in range(min(_BATCH, len(self._entries)))]
        dropped = self._dropped
        try:
            self._write([entry for entry, _ in batch], dropped - self._reported)
        except Exception:  # noqa: BLE001 what cannot be formatted must not end the thread
            self._drop(len(batch))
        else:
            self._reported = dropped
        self._release(sum(size for _, size in batch))
