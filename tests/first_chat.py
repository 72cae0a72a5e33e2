"""Starts the command, sends it a chat to compress, and prints how long either took.

Run in a network namespace of its own (`unshare --net`), it shows that nothing
beyond the loopback interface is needed.
"""

import errno
import fcntl
import json
import socket
import struct
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.raw_client import connected
from tests.running_proxy import RunningProxy, running_proxy
from tests.scripted_upstream import ScriptedUpstream
from tests.waiting import wait_until

_SET_INTERFACE_FLAGS = 0x8914  # SIOCSIFFLAGS
_UP = 0x1  # IFF_UP
_TEXT = "One, two, three, four, five, once I caught a fish alive. " * 100


def main() -> None:
    """Print the seconds until it was ready and until the first chat was answered."""
    _raise_loopback()
    with ScriptedUpstream() as upstream, TemporaryDirectory() as home:
        started_at = time.monotonic()
        with running_proxy(
            Path(home), {"UPSTREAM_BASE_URL": upstream.url, "COMPRESSION_RATIO": "2"}
        ) as proxy:
            wait_until(lambda: _status(proxy, b"/_proxy/ready") == 200)
            ready_at = time.monotonic()
            status = _status(proxy, b"/v1/chat/completions", _chat())
            answered_at = time.monotonic()
        is_compressed = 0 < len(upstream.requests[0].body) < len(_chat())
    figures = {
        "has_network": _has_network(),
        "ready_seconds": ready_at - started_at,
        "first_chat_seconds": answered_at - ready_at,
        "status": status,
        "is_compressed": is_compressed,
    }
    print(json.dumps(figures))  # noqa: T201 (its output is what it is for)


def _status(proxy: RunningProxy, target: bytes, body: bytes | None = None) -> int:
    with connected(proxy.address) as client:
        return client.ask(b"GET" if body is None else b"POST", target, body=body).status


def _chat() -> bytes:
    message = {"role": "user", "content": _TEXT}
    return json.dumps({"model": "gpt-4o", "messages": [message]}).encode()


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SET_INTERFACE_FLAGS, struct.pack("16sh14x", b"lo", _UP))


def _has_network() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # An address of the documentation's (RFC 5737); nothing is sent.
        return sock.connect_ex(("192.0.2.1", 9)) != errno.ENETUNREACH


if __name__ == "__main__":
    main()
