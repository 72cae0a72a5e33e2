"""What every scripted upstream is: a server on a loopback port, in a thread with its own loop."""

import asyncio
import queue
import ssl
import threading
from abc import ABC, abstractmethod
from collections import deque
from types import TracebackType
from typing import Generic, Self, TypeVar

PATIENCE_SECONDS = 5.0

Script = TypeVar("Script")
Arrival = TypeVar("Arrival")


class UpstreamThread(ABC, Generic[Script, Arrival]):
    """Serves while it is entered; what went wrong meanwhile fails the test."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.port = port
        self._tls = tls
        self._scripts: deque[Script] = deque()
        self._arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._errors: list[Exception] = []
        self._listening = threading.Event()
        self._stopping = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)

    @property
    def address(self) -> str:
        """Host and port, as the Host field names them."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The value of UPSTREAM_BASE_URL that leads here."""
        return f"{'https' if self._tls else 'http'}://{self.address}/v1"

    def forget(self) -> None:
        """Forget scripts and what arrived, as if nothing had happened yet."""
        self._scripts.clear()
        self._arrivals = queue.SimpleQueue()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(PATIENCE_SECONDS), "the upstream did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        if self._errors and kind is None:
            raise ExceptionGroup("the upstream could not play its part", self._errors)

    @abstractmethod
    async def _serve(self) -> None:
        """Serve until `_stopping` is set, and say by `_listens_on` when that began."""

    def _listens_on(self, port: int) -> None:
        self.port = port
        self._listening.set()

    def _next_arrival(self, timeout_seconds: float) -> Arrival:
        try:
            return self._arrivals.get(timeout=timeout_seconds)
        except queue.Empty:
            raise AssertionError("nothing reached the upstream") from None

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())
