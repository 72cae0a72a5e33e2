"""What several processes counted adds up to what one would have."""

import subprocess
import sys
import textwrap
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st
from tests.log_entries import a_compression, a_request
from tests.waiting import PATIENCE_SECONDS

from openai_proxy.adapters.metrics.counts import Metrics, OwnCounts
from openai_proxy.adapters.metrics.shared_counts import SharedCounts, SharedSlots
from openai_proxy.adapters.metrics.stats import stats
from openai_proxy.domain.bodies.usage import Usage
from openai_proxy.domain.ports import RelayedRequest
from openai_proxy.domain.savings.sums import Savings

# Whole numbers of seconds add up exactly, in whatever order.
seconds = st.integers(0, 700).map(float)
# So few tokens that no provider caches them: what came by before is for each process to know.
usages = st.builds(Usage, st.sampled_from(["gpt-4o", "o3", "no model"]), st.integers(0, 1000))
compressions = st.builds(a_compression, is_shadow=st.booleans())
requests = st.builds(
    a_request,
    path=st.sampled_from(["/v1/chat/completions", "/v1/models", "/v1/x"]),
    status=st.sampled_from([None, 101, 200, 404, 502]),
    duration_seconds=seconds,
    first_byte_seconds=st.none() | seconds,
    compression_seconds=st.none() | seconds,
    complete=st.booleans(),
    error=st.none() | st.just("upstream_timeout"),
    usage=st.none() | usages,
    compression=st.none() | compressions,
)


def own_counts() -> OwnCounts:
    """Those of a process of its own, which serves nothing at the moment."""
    return OwnCounts(Metrics(Savings()), in_flight=lambda: 0, dropped=lambda: 0)


def record(counts: OwnCounts, relayed: Sequence[RelayedRequest]) -> None:
    metrics = counts.now().metrics
    for request in relayed:
        metrics.record_request(request)
        metrics.record_compression("1", a_compression(skipped="failed"))


def page(counts: OwnCounts | SharedCounts) -> object:
    """All that is told, apart from when it began and in which order."""
    now = counts.now()
    metrics = now.metrics
    distributions = [
        list(distribution.buckets())
        for _, endpoint in sorted(metrics.endpoints.items())
        for distribution in (endpoint.first_byte, endpoint.duration)
    ]
    return (
        {**stats(now, None), "since": None},
        (metrics.errors, metrics.incomplete, metrics.skipped, now.dropped),
        (metrics.tokens_before, metrics.tokens_after, list(metrics.compression.buckets())),
        (distributions, metrics.compression.sum),
    )


@given(st.lists(st.lists(requests, max_size=5), min_size=1, max_size=4))
def test_any_process_tells_what_one_alone_would_have_counted(
    shares: list[list[RelayedRequest]],
) -> None:
    alone = own_counts()
    record(alone, [request for share in shares for request in share])
    slots = SharedSlots(len(shares))
    processes: list[SharedCounts] = []

    for slot, share in enumerate(shares):
        own = own_counts()
        record(own, share)
        processes.append(SharedCounts(slots, slot, own))
        processes[-1].publish()

    assert [page(process) for process in processes] == [page(alone)] * len(shares)


@given(st.lists(st.tuples(st.integers(0, 2), requests), min_size=1))
def test_no_sum_falls_whoever_is_asked_next(relayed: list[tuple[int, RelayedRequest]]) -> None:
    slots, own = SharedSlots(3), [own_counts() for _ in range(3)]
    processes = [SharedCounts(slots, slot, counts) for slot, counts in enumerate(own)]
    sums = [0]

    for slot, request in relayed:
        record(own[slot], [request])
        sums += [processes[slot].now().metrics.requests, processes[0].now().metrics.requests]

    assert sums == sorted(sums)


@given(st.lists(requests, max_size=5), st.lists(requests, max_size=5))
def test_a_successor_goes_on_counting_where_its_predecessor_published_last(
    before: list[RelayedRequest], after: list[RelayedRequest]
) -> None:
    slots, first, second, alone = SharedSlots(1), own_counts(), own_counts(), own_counts()
    record(first, before)
    SharedCounts(slots, 0, first).publish()

    successor = SharedCounts(slots, 0, second)
    record(second, after)
    successor.publish()

    record(alone, before + after)
    assert page(successor) == page(SharedCounts(slots, 0, own_counts())) == page(alone)


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=50))))
@example([(0, b"longer"), (0, b""), (0, b"x")])
def test_a_slot_holds_what_was_left_there_last(writes: list[tuple[int, bytes]]) -> None:
    slots = SharedSlots(3)
    for slot, content in writes:
        slots.write(slot, content)

    last = dict(writes)

    assert [slots.read(slot) for slot in range(3)] == [last.get(slot, b"") for slot in range(3)]


def test_what_is_read_is_whole_while_it_is_written_and_after_the_writer_was_killed() -> None:
    script = """
        import itertools, os, signal
        from openai_proxy.adapters.metrics.shared_counts import SharedSlots

        slots = SharedSlots(1)
        slots.write(0, b"0" * 100_000)
        writer = os.fork()
        if not writer:
            for number in itertools.count():
                slots.write(0, b"%d" % (number % 10) * 100_000)
        seen = {slots.read(0) for _ in range(2000)}
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        seen.add(slots.read(0))
        print(len({whole[:1] for whole in seen}) > 1, {len(set(each)) for each in seen})
    """

    read = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert read.stdout == "True {1}\n"
