"""The TCP connections of this machine as Linux lists them, for what neither end can tell."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

_ESTABLISHED = 1  # TCP_ESTABLISHED of the kernel's tcp_states.h


@frozen
class TcpConnection:
    """One end of a connection over IPv4."""

    local_port: int
    remote_port: int
    is_established: bool
    """Whether neither end has closed it."""
    unsent_bytes: int
    unread_bytes: int


def tcp_connections() -> Iterator[TcpConnection]:
    """Every end of every connection."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        unsent, _, unread = queues.partition(":")
        yield TcpConnection(
            local_port=_hexadecimal(local.partition(":")[2]),
            remote_port=_hexadecimal(remote.partition(":")[2]),
            is_established=_hexadecimal(state) == _ESTABLISHED,
            unsent_bytes=_hexadecimal(unsent),
            unread_bytes=_hexadecimal(unread),
        )


def is_held_back(client: socket.socket) -> bool:
    """Whether the other end reads no more of what `client` sends."""
    unread = _unread_bytes(client)
    time.sleep(0.01 if unread else 0)
    return unread > 0 and _unread_bytes(client) == unread


def has_unsent_bytes(port: int) -> bool:
    """Whether an open connection to that port holds what it could not send yet."""
    return any(
        end.is_established and end.unsent_bytes
        for end in tcp_connections()
        if end.remote_port == port
    )


def _unread_bytes(client: socket.socket) -> int:
    port = client.getsockname()[1]
    return sum(end.unread_bytes for end in tcp_connections() if end.remote_port == port)


def _hexadecimal(digits: str) -> int:
    return int(digits, 16)
