"""What every log sink that writes has in common: recording is queueing, at next to no cost."""

import time
from collections.abc import Callable, Sequence

from ...domain.bodies.compressed_body import CompressedBody
from ...domain.bodies.compressed_frames import CompressedFrames
from ...domain.ports import RelayedRequest
from .records import Record, RecordedCompression
from .writer import LogWriter


class QueuedSink:
    """A log sink whose entries a thread hands to `write`, in batches: see LogWriter."""

    def __init__(self, write: Callable[[Sequence[Record], int], None]) -> None:
        self._writer: LogWriter[Record] = LogWriter(write)

    @property
    def dropped(self) -> int:
        """How many entries were lost, wherever that was."""
        return self._writer.dropped

    def record_request(self, request: RelayedRequest) -> None:
        """Queue a request that has ended."""
        self._writer.put(request, _held_bytes(request.compression))

    def record_compression(self, request_id: str, compressed: CompressedBody) -> None:
        """Queue what was removed from a body."""
        record = RecordedCompression(time.time(), request_id, compressed)
        self._writer.put(record, _held_bytes(compressed))

    def close(self, timeout_seconds: float = 1.0) -> None:
        """Write what is queued, for as long as `timeout_seconds`."""
        self._writer.close(timeout_seconds)


def _held_bytes(compressed: CompressedBody | CompressedFrames | None) -> int:
    """About how many bytes stay in memory while this is queued."""
    if not isinstance(compressed, CompressedBody):
        return 0
    return len(compressed.body) + sum(len(text.original) for text in compressed.texts)
