"""Whatever is wrong with where logs go, every request is answered as if nothing were."""

import fcntl
import json
import mmap
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.figures import assert_at_most
from tests.raw_client import RawClient, connected, request
from tests.running_proxy import RunningProxy, running_proxy
from tests.scripted_upstream import ScriptedUpstream, answer
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/full elsewhere")

REQUESTS = 300
CEILING_SECONDS = 0.5
TEXT = "The quick brown fox jumps over the lazy dog and runs into the wide green forest. " * 4
CHAT = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": TEXT}]}).encode()

FILES = ("proxy_requests.log", "compression.log")
STREAMS = ("stdout", "stderr")
LOCAL: dict[str, str] = {}
PLATFORM = {"K_SERVICE": "openai-proxy", "LOG_CONTENT": "true", "PROXY_API_KEYS": "pk-one"}
KEY = (b"X-Proxy-Api-Key", b"pk-one")

Obstruct = Callable[[Path, ExitStack], None]


def _full_disk(path: Path, _: ExitStack) -> None:
    path.symlink_to("/dev/full")


def _directory_in_the_way(path: Path, _: ExitStack) -> None:
    path.mkdir()


def _fifo_that_nobody_reads(path: Path, _: ExitStack) -> None:
    os.mkfifo(path)


def _fifo_whose_reader_is_stuck(path: Path, until: ExitStack) -> None:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    until.callback(os.close, reader)
    # A few lines fill it, far fewer than there will be.
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, mmap.PAGESIZE)


PLACES: dict[str, tuple[tuple[str, ...], Obstruct, dict[str, str]]] = {
    "files on a full disk": (FILES, _full_disk, LOCAL),
    "directories in the way of files": (FILES, _directory_in_the_way, LOCAL),
    "files that are FIFOs without a reader": (FILES, _fifo_that_nobody_reads, LOCAL),
    "files that are FIFOs nobody empties": (FILES, _fifo_whose_reader_is_stuck, LOCAL),
    "a terminal that nobody reads": (STREAMS, _fifo_whose_reader_is_stuck, LOCAL),
    "a terminal on a full disk": (STREAMS, _full_disk, LOCAL),
    "unread output on a platform": (STREAMS, _fifo_whose_reader_is_stuck, PLATFORM),
    "output on a full disk on a platform": (STREAMS, _full_disk, PLATFORM),
    "everything full at once": ((*FILES, *STREAMS), _full_disk, LOCAL),
}


@pytest.fixture(params=PLACES)
def obstructed(
    request: pytest.FixtureRequest, upstream: ScriptedUpstream, tmp_path: Path
) -> Iterator[RunningProxy]:
    """A proxy that compresses, with something wrong where its logs go."""
    names, obstruct, settings = PLACES[request.param]
    settings = {"UPSTREAM_BASE_URL": upstream.url, "COMPRESSION_RATIO": "2", **settings}
    with ExitStack() as until:
        for name in names:
            obstruct(tmp_path / name, until)
        yield until.enter_context(running_proxy(tmp_path, settings))


def test_three_hundred_requests_of_three_hundred_are_answered_in_time(
    obstructed: RunningProxy, upstream: ScriptedUpstream
) -> None:
    with connected(obstructed.address) as client:
        wait_until(lambda: client.ask(b"GET", b"/_proxy/ready").status == 200)
        seconds: list[float] = []
        for _ in range(REQUESTS):
            asked_at = time.monotonic()
            got = client.ask(b"POST", b"/v1/chat/completions", [KEY], CHAT)
            seconds.append(time.monotonic() - asked_at)
            assert (got.status, got.complete) == (200, True)

    assert len(upstream.requests) == REQUESTS
    assert_at_most(CEILING_SECONDS, max(seconds), f"s for the slowest of {REQUESTS}")
    assert obstructed.terminate() in (0, 143, -15)


@pytest.mark.parametrize("obstructed", ["unread output on a platform"], indirect=True)
def test_what_nobody_reads_is_kept_up_to_ten_thousand_entries_and_then_counted(
    obstructed: RunningProxy, upstream: ScriptedUpstream
) -> None:
    upstream.otherwise_plays(answer(204))
    with connected(obstructed.address) as client:
        for _ in range(110):
            client.send(request(b"GET", b"/v1/models", [KEY]) * 100)
            assert [client.receive_answer().status for _ in range(100)] == [204] * 100
        lost = _lost_entries(client)

    # Besides the queue, a batch is being written and the pipe holds some lines.
    assert_at_most(10_200, 11_000 - lost, "entries kept of 11,000")


def _lost_entries(client: RawClient) -> int:
    metrics = client.ask(b"GET", b"/_proxy/metrics", [(b"Authorization", b"Bearer pk-one")]).body
    (count,) = re.findall(rb"^openai_proxy_log_entries_dropped_total (\d+)", metrics, re.MULTILINE)
    return int(count)
