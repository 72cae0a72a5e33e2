"""The queue between those who record and the thread that writes."""

from collections.abc import Sequence
from threading import Event

from tests.waiting import PATIENCE_SECONDS, wait_until

from openai_proxy.adapters.logs.writer import MAX_QUEUED_SIZE, LogWriter


class Held:
    """A destination that takes nothing until it is let go."""

    def __init__(self) -> None:
        self.go = Event()
        self.entries: list[int] = []
        self.missed = 0
        self.is_writing = Event()

    def write(self, entries: Sequence[int], missed: int) -> None:
        self.is_writing.set()
        self.go.wait(PATIENCE_SECONDS)
        self.entries += entries
        self.missed += missed


def test_entries_leave_in_the_order_they_came() -> None:
    held = Held()
    held.go.set()
    writer = LogWriter(held.write)

    for entry in range(1000):
        writer.put(entry)

    assert writer.close(PATIENCE_SECONDS)
    assert held.entries == list(range(1000))


def test_what_finds_no_room_is_dropped_counted_and_reported() -> None:
    held = Held()
    writer = LogWriter(held.write, capacity=10, gathering_seconds=0)
    writer.put(0)
    assert held.is_writing.wait(PATIENCE_SECONDS)

    for entry in range(1, 20):
        writer.put(entry)
    held.go.set()

    assert writer.close(PATIENCE_SECONDS)
    assert held.entries == list(range(11))
    assert writer.dropped == held.missed == 9


def test_heavy_entries_find_no_room_before_they_fill_the_memory() -> None:
    held = Held()
    writer = LogWriter(held.write)
    half = MAX_QUEUED_SIZE // 2

    for entry, size in enumerate((half, half, half, 0)):
        writer.put(entry, size)
    held.go.set()

    assert writer.close(PATIENCE_SECONDS)
    assert (held.entries, writer.dropped) == ([0, 1, 3], 1)


def test_what_was_written_makes_room_for_more() -> None:
    held = Held()
    held.go.set()
    writer = LogWriter(held.write, gathering_seconds=0)

    def offer(entry: int) -> bool:
        writer.put(entry, MAX_QUEUED_SIZE)
        return entry in held.entries

    wait_until(lambda: offer(1))
    wait_until(lambda: offer(2))

    assert writer.close(PATIENCE_SECONDS)


def test_one_entry_of_any_size_finds_room_in_an_empty_queue() -> None:
    held = Held()
    held.go.set()
    writer = LogWriter(held.write)

    writer.put(1, 10 * MAX_QUEUED_SIZE)

    assert writer.close(PATIENCE_SECONDS)
    assert held.entries == [1]


def test_an_entry_that_cannot_be_written_is_counted_and_ends_nothing() -> None:
    written: list[int] = []

    def write(entries: Sequence[int], _: int) -> None:
        if 13 in entries:
            raise ValueError("unlucky")
        written.extend(entries)

    writer = LogWriter(write)
    writer.put(13)
    assert not writer.close(0)

    later = LogWriter(write)
    later.put(14)

    assert writer.close(PATIENCE_SECONDS)
    assert later.close(PATIENCE_SECONDS)
    assert (written, writer.dropped) == ([14], 1)


def test_an_end_that_takes_too_long_is_not_waited_for() -> None:
    held = Held()
    writer = LogWriter(held.write)
    writer.put(1)

    assert not writer.close(timeout_seconds=0.1)

    held.go.set()
    assert writer.close(PATIENCE_SECONDS)
