"""How much memory the command needs for something, at the highest."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

from tests.figures import assert_at_most
from tests.running_proxy import RunningProxy

MIB = 1024 * 1024


@contextmanager
def growth_of_at_most(ceiling: int, proxy: RunningProxy) -> Generator[None]:
    """Fails if the proxy's memory rises by more than `ceiling` bytes meanwhile, for however short."""
    before = highest = proxy.resident_bytes()
    over = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not over.wait(0.01):
            highest = max(highest, proxy.resident_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    assert_at_most(ceiling / MIB, (highest - before) / MIB, "MiB of growth")
