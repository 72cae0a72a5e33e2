"""Several processes that serve one address when one of them ends, or all."""

import os
import signal
import time
from threading import Event

import pytest
from tests.raw_client import RawClient, connected
from tests.running_proxy import RunningProxy, StartProxy, wait_for
from tests.scripted_upstream import (
    EVENT_STREAM,
    ScriptedUpstream,
    end_of_chunks,
    event,
    head,
    stall,
    until,
)
from tests.waiting import PATIENCE_SECONDS, wait_until
from tests.workers import MANY, ask, children, everyone_says, is_running, open_streams, workers


@pytest.fixture
def proxy(start_two: StartProxy) -> RunningProxy:
    return start_two()


class TestDying:
    def test_a_worker_that_dies_takes_its_own_connections_alone_with_it(
        self, proxy: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        killed = min(workers(proxy))
        going_on = Event()
        upstream.plays(
            head(200, EVENT_STREAM), until(going_on), event(b"1"), end_of_chunks(), times=MANY
        )

        with open_streams(proxy, upstream) as clients:
            wait_until(lambda: everyone_says(proxy, in_flight=MANY))
            os.kill(killed, signal.SIGKILL)
            wait_for(proxy.directory / "stderr", f"(process {killed}) died with exit code -9")
            going_on.set()
            complete = [is_complete(client) for client in clients]

        assert 0 < sum(complete) < MANY
        wait_until(lambda: len(workers(proxy)) == 2)
        wait_until(lambda: everyone_says(proxy, ended=sum(complete), in_flight=0))

    def test_what_a_worker_counted_before_it_died_stays_counted(self, proxy: RunningProxy) -> None:
        for _ in range(MANY):
            ask(proxy, b"/v1/models")
        wait_until(lambda: everyone_says(proxy, ended=MANY))

        for pid in workers(proxy):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(workers(proxy)) == 2)

        ask(proxy, b"/v1/models")
        wait_until(lambda: everyone_says(proxy, ended=MANY + 1))

    def test_nobody_stays_behind_when_the_first_process_is_killed(
        self, proxy: RunningProxy
    ) -> None:
        all_processes = children(proxy.pid)

        proxy.process.kill()

        wait_until(lambda: not any(map(is_running, all_processes)))


def is_complete(client: RawClient) -> bool:
    """Whether the stream on a connection comes to its end."""
    try:
        return client.receive_answer().complete
    except ConnectionError:
        return False


class TestStopping:
    def test_a_stream_on_each_worker_is_finished_before_the_end(
        self, proxy: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        stopping = Event()
        upstream.plays(
            head(200, EVENT_STREAM), until(stopping), event(b"1"), end_of_chunks(), times=MANY
        )

        with open_streams(proxy, upstream) as clients:
            proxy.process.terminate()
            wait_until(lambda: is_refused(proxy))
            stopping.set()
            complete = [is_complete(client) for client in clients]

        assert all(complete)
        assert proxy.process.wait(PATIENCE_SECONDS) == -signal.SIGTERM
        assert len(proxy.request_log.read_text().splitlines()) == MANY

    def test_endless_streams_are_cut_when_the_grace_is_over(
        self, start_two: StartProxy, upstream: ScriptedUpstream
    ) -> None:
        proxy = start_two(SHUTDOWN_GRACE_S="1")
        upstream.plays(head(200, EVENT_STREAM), event(b"1"), stall(), times=MANY)

        with open_streams(proxy, upstream) as clients:
            stopped_at = time.monotonic()
            proxy.process.terminate()
            complete = [is_complete(client) for client in clients]

        assert not any(complete)
        assert proxy.process.wait(PATIENCE_SECONDS) == -signal.SIGTERM
        assert time.monotonic() - stopped_at < 4

    @pytest.mark.parametrize("to_all", [False, True], ids=["the first process", "all, by Ctrl-C"])
    def test_an_interrupt_ends_all_in_order(self, proxy: RunningProxy, *, to_all: bool) -> None:
        processes = children(proxy.pid)

        for pid in (*processes, proxy.pid) if to_all else (proxy.pid,):
            os.kill(pid, signal.SIGINT)

        assert proxy.process.wait(PATIENCE_SECONDS) == 0
        assert not any(map(is_running, processes))
        assert "Traceback" not in proxy.stderr

    def test_a_worker_that_hangs_is_ended_all_the_same(self, start_two: StartProxy) -> None:
        proxy = start_two(SHUTDOWN_GRACE_S="0.1")
        hanging = min(workers(proxy))
        os.kill(hanging, signal.SIGSTOP)

        assert proxy.terminate() == -signal.SIGTERM
        assert not is_running(hanging)


def is_refused(proxy: RunningProxy) -> bool:
    try:
        with connected(proxy.address):
            return False
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        # It came in the moment in which the listener closed.
        return False
