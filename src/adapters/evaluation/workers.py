"""Measuring a corpus on all processors, in order and with bounded memory."""

import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from multiprocessing import get_context
from typing import Final

from attrs import frozen

from ...domain.evaluation.conversations import Conversation
from ...domain.evaluation.removal_methods import Plan
from ...domain.evaluation.tally import Totals, measure
from ..compression.tokenizer import tokenizer_for

BATCH_CHARACTERS: Final = 64 * 1024
"""Enough work that handing it over costs next to nothing."""
FEWEST_BATCHES: Final = 6
"""Fewer are measured before other processes have started."""
BATCHES_AHEAD: Final = 2
"""How many batches are under way for each process."""

Batch = Sequence[Conversation]


@frozen
class BatchMeasurer:
    """What a process does with a batch."""

    plan: Plan
    model: str

    def __call__(self, batch: Batch) -> Totals:
        return measure(batch, self.plan, tokenizer_for(self.model))


def measure_in_batches(
    conversations: Iterable[Conversation],
    measurer: BatchMeasurer,
    *,
    processes: int | None = None,
    batch_characters: int = BATCH_CHARACTERS,
) -> Iterator[tuple[Batch, Totals]]:
    """The conversations in batches, in order, each with what was measured of it."""
    batches = _batches(conversations, batch_characters)
    first = [*islice(batches, FEWEST_BATCHES)]
    workers = (processes or os.cpu_count() or 1) if len(first) == FEWEST_BATCHES else 1
    batches = chain(first, batches)
    if workers == 1:
        return ((batch, measurer(batch)) for batch in batches)
    return _in_processes(batches, measurer, workers)


def _in_processes(
    batches: Iterator[Batch], measurer: BatchMeasurer, workers: int
) -> Iterator[tuple[Batch, Totals]]:
    under_way: deque[tuple[Batch, Future[Totals]]] = deque()
    # Forking would copy the threads of a progress bar in whatever state they are.
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_leave_interrupts) as pool:
        try:
            for batch in batches:
                under_way.append((batch, pool.submit(measurer, batch)))
                if len(under_way) == workers * BATCHES_AHEAD:
                    yield _finished(under_way)
            while under_way:
                yield _finished(under_way)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _leave_interrupts() -> None:
    """Let the process that started this one answer Ctrl-C, and end it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _finished(under_way: deque[tuple[Batch, "Future[Totals]"]]) -> tuple[Batch, Totals]:
    batch, future = under_way.popleft()
    return batch, future.result()


def _batches(conversations: Iterable[Conversation], most_characters: int) -> Iterator[Batch]:
    batch: list[Conversation] = []
    characters = 0
    for conversation in conversations:
        batch.append(conversation)
        characters += sum(len(text) for said in conversation.messages for text in said.texts)
        if characters >= most_characters:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
