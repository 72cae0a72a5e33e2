"""Waiting for what happens on another thread or in another process."""

import time
from collections.abc import Callable

PATIENCE_SECONDS = 10.0


def wait_until(holds: Callable[[], bool], patience_seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + patience_seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)
