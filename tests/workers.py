"""Several workers as one proxy: who they are, and what is asked of them."""

import json
import re
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.raw_client import Answer, RawClient, connected, request
from tests.running_proxy import RunningProxy
from tests.scripted_upstream import ScriptedUpstream
from tests.waiting import wait_until

JSON = (b"Content-Type", b"application/json")
CHAT = b"/v1/chat/completions"
STREAM = b"/v1/responses/r?stream=true"

MANY = 24
"""So many connections that chance gives all to one of two workers once in eight million times."""


def children(pid: int) -> frozenset[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return frozenset(map(int, path.read_text().split()))


def workers(proxy: RunningProxy) -> frozenset[int]:
    """Those below the process that was started that say they are servers."""
    servers = re.findall(r"Started server process \[(\d+)\]", proxy.stderr)
    return children(proxy.pid) & frozenset(map(int, servers))


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def ask(proxy: RunningProxy, target: bytes, body: bytes | None = None) -> Answer:
    """Ask on a connection of its own, and so whichever worker gets it."""
    with connected(proxy.address) as client:
        return client.ask(b"GET" if body is None else b"POST", target, [JSON], body)


def ask_at_once(proxy: RunningProxy, target: bytes, bodies: Sequence[bytes | None]) -> None:
    """Ask on a connection for each body, sixteen at a time."""

    def send(body: bytes | None) -> Answer:
        return ask(proxy, target, body)

    with ThreadPoolExecutor(16) as clients:
        assert {answer.status for answer in clients.map(send, bodies)} == {200}


def everyone_says(proxy: RunningProxy, **counts: int) -> bool:
    """Whether the statistics count so many requests, whoever is asked."""
    pages = [json.loads(ask(proxy, b"/_proxy/stats").body)["requests"] for _ in range(8)]
    return all(page[name] == count for page in pages for name, count in counts.items())


def chat(text: str) -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}).encode()


@contextmanager
def open_streams(proxy: RunningProxy, upstream: ScriptedUpstream) -> Generator[list[RawClient]]:
    """Connections on each of which a stream has begun."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(proxy.address)) for _ in range(MANY)]
        for client in clients:
            client.send(request(b"GET", STREAM))
            upstream.next_request()
        yield clients


def wait_for_lines(path: Path, count: int) -> list[str]:
    def lines() -> list[str]:
        return path.read_text().splitlines() if path.exists() else []

    wait_until(lambda: len(lines()) >= count)
    return lines()
