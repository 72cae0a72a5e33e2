"""What makes of each request a span in a trace, or nothing where nobody asked for traces."""

from typing import Protocol

from ...domain.bodies.compressed_body import CompressedBody
from ...domain.ports import LogSink, RelayedRequest
from ..inbound.asgi import Application


class RequestSpans(LogSink, Protocol):
    """A log sink that is also there while a request is under way."""

    def around(self, relay: Application) -> Application:
        """`relay` with each of its requests inside a span."""
        ...


class NoSpans:
    """Leaves everything as it is: a trace's fields pass from client to upstream untouched."""

    def around(self, relay: Application) -> Application:
        """The same."""
        return relay

    def record_request(self, request: RelayedRequest) -> None:
        """Forget it."""

    def record_compression(self, request_id: str, compressed: CompressedBody) -> None:
        """Forget it."""

    def close(self) -> None:
        """Nothing is queued."""
