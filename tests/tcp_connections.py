"""The TCP connections of this machine as Linux lists them, for what neither end can tell."""

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


def _hexadecimal(digits: str) -> int:
    return int(digits, 16)
