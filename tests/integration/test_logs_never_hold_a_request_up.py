"""Whatever is wrong with where logs go, every request is answered as if nothing were."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.raw_client import connected
from tests.running_proxy import RunningProxy, running_proxy
from tests.scripted_upstream import ScriptedUpstream
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/full elsewhere")

REQUESTS = 300
CEILING_SECONDS = 0.5
TEXT = "The quick brown fox jumps over the lazy dog and runs into the wide green forest. " * 4
CHAT = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": TEXT}]}).encode()

FILES = ("proxy_requests.log", "compression.log")
STREAMS = ("stdout", "stderr")
LOCAL: dict[str, str] = {}
PLATFORM = {"K_SERVICE": "openai-proxy", "LOG_CONTENT": "true"}

Obstruct = Callable[[Path, ExitStack], None]


def _full_disk(path: Path, _: ExitStack) -> None:
    path.symlink_to("/dev/full")


def _directory_in_the_way(path: Path, _: ExitStack) -> None:
    path.mkdir()


def _fifo_that_nobody_reads(path: Path, _: ExitStack) -> None:
    os.mkfifo(path)


def _fifo_whose_reader_is_stuck(path: Path, until: ExitStack) -> None:
    os.mkfifo(path)
    until.callback(os.close, os.open(path, os.O_RDONLY | os.O_NONBLOCK))


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
            got = client.ask(b"POST", b"/v1/chat/completions", body=CHAT)
            seconds.append(time.monotonic() - asked_at)
            assert (got.status, got.complete) == (200, True)

    print(f"the worst of {REQUESTS}: {1000 * max(seconds):.0f} ms")  # noqa: T201 (-rP shows it)
    assert len(upstream.requests) == REQUESTS
    assert max(seconds) < CEILING_SECONDS
    assert obstructed.terminate() in (0, 143, -15)
