"""How log entries read as JSON: one object a line, in the fields that Cloud Logging knows.

The lines are ASCII, whatever was logged, so that nothing in them ends a line
or reaches a terminal as a control character.
See https://cloud.google.com/logging/docs/structured-logging for the names.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from ...domain.bodies.compressed_body import CompressedBody, TextInBody
from ...domain.bodies.compressed_frames import CompressedFrames
from ...domain.ports import RelayedRequest
from .records import (
    RecordedCompression,
    Totals,
    clipped,
    digest,
    entries_dropped,
    path_of,
    timestamp,
)

_ENCODER = json.JSONEncoder(separators=(",", ":"))
_HTTP_ERROR, _HTTP_FAILURE = 400, 500


def json_line(fields: Mapping[str, Any]) -> str:
    """One line, in which everything but visible ASCII is escaped."""
    return _ENCODER.encode(fields) + "\n"


def request_line(request: RelayedRequest, project: str | None) -> str:
    """The line of a request."""
    path = path_of(request)
    status = "-" if request.status is None else request.status
    fields: dict[str, Any] = {
        "severity": _severity(request),
        "time": timestamp(request.started_at),
        "message": f"{request.method} {path} {status}",
        "httpRequest": _http_request(request, path),
        "request_id": request.request_id,
        "duration_seconds": round(request.duration_seconds, 6),
        "request_bytes": request.request_bytes,
        "response_bytes": request.response_bytes,
        "complete": request.complete,
        "compression": _compression(request.compression),
    }
    if request.error is not None:
        fields["error"] = request.error
    if request.trace is not None:
        fields["logging.googleapis.com/trace"] = _trace_name(request.trace, project)
    return json_line(fields)


def compression_lines(record: RecordedCompression, *, show_content: bool) -> list[str]:
    """A line a text: all of them together could be longer than a line may be (256 KiB)."""
    compressed = record.compressed
    return [
        json_line(
            {
                "severity": "INFO",
                "time": timestamp(record.at),
                "message": f"text {number} of {compressed.text_count}: {_text_message(text)}",
                "request_id": record.request_id,
                "model": clipped(compressed.model),
                "encoding": compressed.encoding,
                "encoding_assumed": compressed.encoding_assumed,
                **_text(text, show_content=show_content),
            }
        )
        for number, text in enumerate(compressed.texts, 1)
    ]


def dropped_notice(count: int) -> str:
    """The line that stands where entries are missing."""
    return json_line(
        {
            "severity": "WARNING",
            "time": timestamp(time.time()),
            "message": entries_dropped(count),
            "dropped": count,
        }
    )


def _severity(request: RelayedRequest) -> str:
    status = request.status or 0
    if status >= _HTTP_FAILURE:
        return "ERROR"
    return "WARNING" if status >= _HTTP_ERROR or request.error is not None else "INFO"


def _http_request(request: RelayedRequest, path: str) -> dict[str, Any]:
    # Sizes are strings and the latency ends in "s": the JSON form of int64 and Duration.
    fields: dict[str, Any] = {
        "requestMethod": request.method,
        "requestUrl": path,
        "requestSize": str(request.request_bytes),
        "responseSize": str(request.response_bytes),
        "latency": f"{request.duration_seconds:.6f}s",
    }
    if request.status is not None:
        fields["status"] = request.status
    return fields


def _compression(compressed: CompressedBody | CompressedFrames | None) -> dict[str, Any]:
    if compressed is None:
        return {"applied": False}
    if compressed.skipped is not None:
        fields = {"applied": False, "status": "skipped", "reason": compressed.skipped}
        if isinstance(compressed, CompressedBody) and compressed.failure is not None:
            fields["failure"] = compressed.failure
        return fields
    totals = Totals.of(compressed)
    return {
        "applied": not compressed.is_shadow,
        "status": compressed.status,
        "model": clipped(compressed.model),
        "texts": compressed.text_count,
        "texts_compressed": compressed.texts_compressed,
        **_counts(totals),
    }


def _text_message(text: TextInBody) -> str:
    compressed = text.compressed
    if compressed.skipped is not None:
        return f"unchanged ({compressed.skipped})"
    return f"{compressed.tokens_before} -> {compressed.tokens_billed} tokens"


def _text(text: TextInBody, *, show_content: bool) -> dict[str, Any]:
    compressed = text.compressed
    fields: dict[str, Any] = {
        "pointer": clipped(text.pointer),
        "role": clipped(text.role),
        "strategy": compressed.strategy,
        "keep_ratio": round(float(compressed.keep_ratio.share), 6),
        **_counts(Totals(compressed.tokens_before, compressed.tokens_billed)),
        "before_sha256": digest(text.original),
        "after_sha256": digest(compressed.text),
    }
    if text.rule is not None:
        fields["rule"] = clipped(text.rule)
    if compressed.skipped is not None:
        fields["skipped"] = compressed.skipped
    if show_content:
        fields |= {"before": text.original, "after": compressed.text}
    return fields


def _counts(totals: Totals) -> dict[str, Any]:
    return {
        "tokens_before": totals.tokens_before,
        "tokens_billed": totals.tokens_billed,
        "tokens_removed": totals.removed,
        "removed_percent": round(totals.removed_percent, 2),
        "billed_ratio": round(totals.billed_ratio, 6),
    }


def _trace_name(trace: str, project: str | None) -> str:
    """Without a project the id alone, which the platform cannot link but a reader can find."""
    return trace if project is None else f"projects/{project}/traces/{trace}"
