"""What travels on a WebSocket that is relayed, and how its end is passed on.

A close frame travels on with its code and reason (RFC 6455 section 7.4). Three
codes need more thought:

1005  a close frame without a code; no frame may hold it: passed on as 1000
1006  no close frame at all: a client that leaves so drops the upstream just so
1014  a gateway's bad upstream: what the client is told if the upstream leaves so
"""

from attrs import frozen

from ..errors import ProxyError, UpstreamError

Message = str | bytes
"""A whole message, however many frames it came in: text or binary."""

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Longer messages are refused with 1009 by the side that receives them."""
MAX_REASON_BYTES = 123
"""More does not fit into a control frame beside the code (RFC 6455 section 5.5)."""
CLOSE_SECONDS = 2.0
"""How long either side may take to answer a close frame."""
PING_SECONDS = 20.0
"""How often either side is pinged, lest something between cuts a silent session."""

NORMAL = 1000
GOING_AWAY = 1001
NO_CODE = 1005
BROKEN_OFF = 1006
INTERNAL_ERROR = 1011
BAD_GATEWAY = 1014


@frozen
class Close:
    """How one side ended a WebSocket."""

    code: int = NORMAL
    reason: str = ""

    @property
    def is_broken_off(self) -> bool:
        """Whether the connection ended without a word."""
        return self.code == BROKEN_OFF

    @property
    def to_pass_on(self) -> "Close":
        """The close frame that tells the other side."""
        return Close() if self.code == NO_CODE else self


def close_for(error: ProxyError) -> Close:
    """How the client is told of an error once its handshake is over."""
    code = BAD_GATEWAY if isinstance(error, UpstreamError) else INTERNAL_ERROR
    return Close(code, str(error).encode()[:MAX_REASON_BYTES].decode(errors="ignore"))
