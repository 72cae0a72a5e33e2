"""Clients of the proxy's WebSockets: a real one, and one that can misbehave."""

import struct
from collections.abc import Mapping, Sequence

from tests.raw_client import RawClient, request
from tests.running_proxy import RunningProxy
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

_HANDSHAKE = [
    (b"Upgrade", b"websocket"),
    (b"Connection", b"Upgrade"),
    (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    (b"Sec-WebSocket-Version", b"13"),
]


def websocket(
    proxy: RunningProxy,
    target: str = "/v1/realtime",
    *,
    subprotocols: Sequence[str] = (),
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
) -> ClientConnection:
    """A WebSocket to the proxy, as a user's program would open it."""
    return connect(
        f"ws://{proxy.address}{target}",
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        additional_headers=headers,
        proxy=None,
        ping_interval=None,
        max_size=None,
    )


def handshake(
    target: bytes = b"/v1/realtime", headers: Sequence[tuple[bytes, bytes]] = ()
) -> bytes:
    """The bytes of a handshake, to be sent by a raw client."""
    return request(b"GET", target, [*_HANDSHAKE, *headers])


def shake_hands(
    client: RawClient,
    target: bytes = b"/v1/realtime",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    client.send(handshake(target, headers))
    status, _ = client.receive_head()
    assert status == 101


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole client's frame, masked with zeros (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        length = struct.pack("!B", 0x80 | size)
    elif size < 1 << 16:
        length = struct.pack("!BH", 0x80 | 126, size)
    else:
        length = struct.pack("!BQ", 0x80 | 127, size)
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


TEXT, BINARY, CLOSE, PING = 0x1, 0x2, 0x8, 0x9
