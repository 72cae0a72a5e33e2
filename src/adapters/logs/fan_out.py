"""Several log sinks as one: what is recorded reaches each of them."""

from ...domain.bodies.compressed_body import CompressedBody
from ...domain.ports import LogSink, RelayedRequest


class LogSinks:
    """The sinks in the order in which they are told."""

    def __init__(self, *sinks: LogSink) -> None:
        self._sinks = sinks

    def record_request(self, request: RelayedRequest) -> None:
        """Tell each of them."""
        for sink in self._sinks:
            sink.record_request(request)

    def record_compression(self, request_id: str, compressed: CompressedBody) -> None:
        """Tell each of them."""
        for sink in self._sinks:
            sink.record_compression(request_id, compressed)

    def close(self) -> None:
        """Close each of them."""
        for sink in self._sinks:
            sink.close()
