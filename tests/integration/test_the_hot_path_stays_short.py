"""What relaying costs, in calls of functions rather than in seconds: the same on any machine.

The ceilings leave room for another Python and for a small addition. Whoever
meets one has put something on the way of every request.
"""

import gc
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest
import uvicorn
from tests.raw_client import RawClient, connected
from tests.scripted_upstream import ScriptedUpstream, chunk, end_of_chunks, head, pause, receive

from openai_proxy.app import create_app
from openai_proxy.app.container import Container
from openai_proxy.app.server import server_options
from openai_proxy.app.settings import Settings

FIELDS = [(b"x-field-%d" % number, b"value") for number in range(10)]
BODY = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}'


class CountedServer:
    """The proxy on a thread of this process, whose calls are counted."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        settings = Settings(host="127.0.0.1", upstream_base_url=upstream.url, log_format="none")
        application = create_app(Container(settings=settings))
        self.calls = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(application, **server_options(settings)))
        self._thread = threading.Thread(target=self._run)

    def calls_of(self, work: Callable[[], object]) -> int:
        """How many functions were called, in Python and in C, while `work` was done."""
        before = self.calls
        work()
        time.sleep(0.05)  # What comes after an answer belongs to it.
        return self.calls - before

    @contextmanager
    def serving(self) -> Generator["CountedServer"]:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        yield self
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        sys.setprofile(self._count)
        self._server.run([self._listener])

    def _count(self, _: FrameType, event: str, _argument: Any) -> None:
        self.calls += event in ("call", "c_call")


@pytest.fixture
def server(upstream: ScriptedUpstream) -> Generator[CountedServer]:
    with CountedServer(upstream).serving() as running:
        yield running


@pytest.fixture
def client(server: CountedServer) -> Generator[RawClient]:
    with connected(server.address) as client:
        client.ask(b"POST", b"/v1/chat/completions", FIELDS, BODY)
        yield client


def test_a_chat_takes_at_most_600_calls(server: CountedServer, client: RawClient) -> None:
    def chat() -> None:
        for _ in range(20):
            client.ask(b"POST", b"/v1/chat/completions", FIELDS, BODY)

    assert server.calls_of(chat) / 20 <= 600


def test_an_event_of_a_stream_takes_at_most_24_calls(
    upstream: ScriptedUpstream, server: CountedServer, client: RawClient
) -> None:
    def stream(events: int) -> Callable[[], object]:
        steps = [chunk(b"data: {}\n\n"), pause(0.002)] * events
        upstream.plays(
            receive(), head(200, [(b"transfer-encoding", b"chunked")]), *steps, end_of_chunks()
        )
        return lambda: client.ask(b"POST", b"/v1/chat/completions", FIELDS, BODY)

    short, long = server.calls_of(stream(10)), server.calls_of(stream(110))

    assert (long - short) / 100 <= 24


def test_requests_leave_nothing_for_the_garbage_collector(
    server: CountedServer, client: RawClient
) -> None:
    gc.collect()
    gc.disable()
    try:
        server.calls_of(lambda: [client.ask(b"GET", b"/v1/models", FIELDS) for _ in range(50)])

        assert gc.collect() < 50
    finally:
        gc.enable()
