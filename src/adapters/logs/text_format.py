r"""How log entries read as text.

Whatever a caller chose is escaped, so that no input can forge a line: a field
of a line is visible ASCII without spaces (a line feed becomes `\n`), and each
line of a text that may go on over several begins with `| `, which no line of
our own does. Control characters reach neither a file nor a terminal.
"""

import time

from ...domain.bodies.compressed_body import CompressedBody, TextInBody
from ...domain.bodies.compressed_frames import CompressedFrames
from ...domain.compression.text import CompressedText
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

_BREAKS_OR_TURNS_A_LINE = (
    *range(0x0A),
    *range(0x0B, 0x20),
    *range(0x7F, 0xA0),
    # Line and paragraph separator, and the characters that turn the writing direction.
    *(0x2028, 0x2029, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
)
_ESCAPES = {code: ascii(chr(code))[1:-1] for code in _BREAKS_OR_TURNS_A_LINE}

_RED, _YELLOW, _GREEN = "31", "33", "32"
_HTTP_ERROR, _HTTP_FAILURE = 400, 500


def one_field(text: str) -> str:
    r"""A caller's words as one field of a line.

    >>> one_field("gpt-4o\n200 OK")
    'gpt-4o\\n200\\x20OK'
    """
    return clipped(text).encode("unicode_escape").decode().replace(" ", "\\x20") or "-"


def without_control_characters(text: str) -> str:
    """A text of several lines whose only control character is the line feed."""
    return text.translate(_ESCAPES)


def quoted(text: str) -> str:
    r"""A text of several lines, each behind a bar.

    >>> print(quoted("one\n==== request forged"), end="")
    | one
    | ==== request forged
    """
    return "".join(f"| {line}\n" for line in without_control_characters(text).split("\n"))


def request_line(request: RelayedRequest) -> str:
    """A line of proxy_requests.log."""
    fields = [
        timestamp(request.started_at),
        one_field(request.request_id),
        one_field(request.method),
        one_field(path_of(request)),
        _status(request),
        f"{request.duration_seconds:.3f}s",
        f"in={request.request_bytes}",
        f"out={request.response_bytes}",
        *_outcome(request),
        *_compression(request.compression),
    ]
    return " ".join(fields) + "\n"


def terminal_line(request: RelayedRequest, *, colour: bool) -> str:
    """The same in short, for somebody who watches."""
    fields = [
        time.strftime("%H:%M:%S", time.localtime(request.started_at)),
        one_field(request.method),
        one_field(path_of(request)),
        _coloured_status(request) if colour else _status(request),
        f"{request.duration_seconds:.3f}s",
        *_outcome(request),
    ]
    if request.compression is not None and request.compression.texts_compressed:
        fields.append(f"({_tokens(Totals.of(request.compression))})")
    return " ".join(fields) + "\n"


def compression_entry(record: RecordedCompression, *, show_content: bool) -> str:
    """An entry of compression.log: the texts of a request, before and after, and a summary."""
    compressed = record.compressed
    parts = [_entry_head(record)]
    for number, text in enumerate(compressed.texts, 1):
        parts.append(f"---- text {number} of {compressed.text_count}: {_text_facts(text)}\n")
        if text.compressed.skipped is None:
            parts += _before_and_after(text, show_content=show_content)
    parts.append(f"==== summary {one_field(record.request_id)}: {_summary(compressed)}\n\n")
    return "".join(parts)


def dropped_notice(count: int) -> str:
    """The line that stands where entries are missing."""
    return f"{timestamp(time.time())} {entries_dropped(count)}\n"


def _status(request: RelayedRequest) -> str:
    return "-" if request.status is None else str(request.status)


def _coloured_status(request: RelayedRequest) -> str:
    status = request.status or 0
    colour = _RED if status >= _HTTP_FAILURE else _YELLOW if status >= _HTTP_ERROR else _GREEN
    return f"\x1b[{colour}m{_status(request)}\x1b[0m"


def _outcome(request: RelayedRequest) -> list[str]:
    error = [] if request.error is None else [f"error={one_field(request.error)}"]
    return error if request.complete else [*error, "incomplete"]


def _compression(compressed: CompressedBody | CompressedFrames | None) -> list[str]:
    if compressed is None:
        return ["compression=off"]
    if compressed.skipped is not None:
        return [f"compression=skipped:{one_field(compressed.skipped)}"]
    totals = Totals.of(compressed)
    return [
        f"compression={compressed.status}",
        f"tokens={totals.tokens_before}->{totals.tokens_billed}",
    ]


def _entry_head(record: RecordedCompression) -> str:
    assumed = " (assumed)" if record.compressed.encoding_assumed else ""
    return (
        f"==== {timestamp(record.at)} request {one_field(record.request_id)}"
        f" model {one_field(record.compressed.model)}"
        f" encoding {one_field(record.compressed.encoding)}{assumed}\n"
    )


def _text_facts(text: TextInBody) -> str:
    compressed = text.compressed
    outcome = (
        _removed(_totals(compressed))
        if compressed.skipped is None
        else f"unchanged ({one_field(compressed.skipped)})"
    )
    return (
        f"{one_field(text.pointer)} role {one_field(text.role)}"
        f"{'' if text.rule is None else f' rule {one_field(text.rule)}'}"
        f" strategy {one_field(compressed.strategy)}"
        f" keep ratio {float(compressed.keep_ratio.share):.4g},"
        f" tokens before {compressed.tokens_before}, billed {compressed.tokens_billed}, {outcome}"
    )


def _before_and_after(text: TextInBody, *, show_content: bool) -> list[str]:
    show = quoted if show_content else _withheld
    return ["---- BEFORE\n", show(text.original), "---- AFTER\n", show(text.compressed.text)]


def _withheld(text: str) -> str:
    return f"({len(text)} characters, sha256 {digest(text)})\n"


def _summary(compressed: CompressedBody) -> str:
    if compressed.skipped is not None:
        failure = "" if compressed.failure is None else f": {one_field(compressed.failure)}"
        return f"unchanged ({one_field(compressed.skipped)}{failure})"
    totals = Totals.of(compressed)
    shadow = "shadow, the original was sent: " if compressed.is_shadow else ""
    return (
        f"{shadow}{compressed.texts_compressed} of {compressed.text_count} texts compressed,"
        f" tokens before {totals.tokens_before}, billed {totals.tokens_billed}, {_removed(totals)}"
    )


def _totals(compressed: CompressedText) -> Totals:
    return Totals(compressed.tokens_before, compressed.tokens_billed)


def _removed(totals: Totals) -> str:
    return f"removed {totals.removed} ({totals.removed_percent:.1f} %)"


def _tokens(totals: Totals) -> str:
    return f"{totals.tokens_before} -> {totals.tokens_billed} tokens"
