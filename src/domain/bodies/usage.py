"""What an answer of the API says was billed for it, read from a copy of its bytes.

Chat completions, legacy completions and the Responses API end their answers
with a `usage` object, streaming or not. Only the two ends of an answer are
kept, so memory stays bounded however long it is; nothing is decoded or parsed
before it is over. Whatever the bytes are, reading them never raises.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from attrs import frozen

_KIB = 1024
_HEAD_BYTES = 32 * _KIB
"""Answers name their model near the start."""
_TAIL_BYTES = 64 * _KIB
"""After `usage` at most come a user's name and metadata of 16 short pairs."""
_MOST_ENCODED_BYTES = 256 * _KIB
_MOST_DECODED_BYTES = 4096 * _KIB
_DECODED_AT_A_TIME = 64 * _KIB
_LONGEST_USAGE = 2 * _KIB
_MOST_CANDIDATES = 64
"""Events before the last carry `"usage":null` each; few of them need to be looked at."""
_MOST_TOKENS = 10**12
_OBJECT_BYTES = 64
"""About what a chunk takes up in memory beside its bytes."""

# Inside a JSON string every quote has a backslash before it, so without one this is a key.
_KEY = b'"usage"'
_USAGE = re.compile(rb'(?<!\\)"usage"\s*:\s*(?=\{)')
_MODEL = re.compile(rb'"model"\s*:\s*"([^"\\]{1,128})"')
# One object may go over several lines of one event (HTML Living Standard section 9.2.6).
_EVENT_LINE_BREAK = re.compile(rb"(?:\r\n|\r|\n)data: ?")
_ZLIB_HEADER_FIRST_BYTES = (0x08, 0x18, 0x28, 0x38, 0x48, 0x58, 0x68, 0x78)

_JSON = json.JSONDecoder()


@frozen
class Usage:
    """The tokens that one answer was billed for."""

    model: str
    """As the answer names it; empty if it does not."""
    input_tokens: int
    """All of them, those from and to the provider's cache included."""
    cached_tokens: int = 0
    """Those read from the provider's cache."""
    cache_write_tokens: int = 0
    """Those written to it, where the API bills that apart."""
    output_tokens: int = 0

    @property
    def fresh_tokens(self) -> int:
        """The input that has nothing to do with the cache."""
        return self.input_tokens - self.cached_tokens - self.cache_write_tokens


class UsageReader:
    """Takes the chunks of one answer as they pass, and says at the end what was billed.

    Answers encoded as gzip or deflate are read up to 256 KiB and never decoded
    beyond 4 MiB; other encodings are not read.
    """

    __slots__ = ("_copy", "_encoding", "add")

    add: Callable[[bytes], None]
    """Takes the next chunk, however the answer is cut into them."""

    def __init__(self, content_encoding: bytes = b"") -> None:
        self._encoding = content_encoding.strip().lower()
        is_plain = self._encoding in (b"", b"identity")
        self._copy: _Ends | _Beginning = _Ends() if is_plain else _Beginning()
        self.add = self._copy.add

    def usage(self) -> Usage | None:
        """What was billed, or None if the answer does not say."""
        if isinstance(self._copy, _Ends):
            return self._copy.usage()
        ends = _decoded(self._copy.whole, self._encoding)
        return None if ends is None else ends.usage()


class _Ends:
    """The first and the last bytes of a stream."""

    __slots__ = ("_head", "_held_bytes", "_pieces")

    def __init__(self) -> None:
        self._head = b""
        self._pieces: list[bytes] = []
        self._held_bytes = 0

    def add(self, chunk: bytes) -> None:
        self._pieces.append(chunk)
        self._held_bytes += len(chunk) + _OBJECT_BYTES
        if self._held_bytes > 2 * _TAIL_BYTES:
            self._cut()

    def usage(self) -> Usage | None:
        held = b"".join(self._pieces)
        head, tail = self._head or held[:_HEAD_BYTES], held[-_TAIL_BYTES:]
        counts = _usage_object(tail) or _usage_object(head)
        if counts is None:
            return None
        model = _MODEL.search(head) or _MODEL.search(tail)
        return _usage(model[1].decode("utf-8", "replace") if model else "", counts)

    def _cut(self) -> None:
        held = b"".join(self._pieces)
        if len(held) > _TAIL_BYTES:
            self._head = self._head or held[:_HEAD_BYTES]
            held = held[-_TAIL_BYTES:]
        self._pieces = [held]
        self._held_bytes = len(held)


class _Beginning:
    """A stream as long as it is short."""

    __slots__ = ("_bytes", "_is_too_long")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._is_too_long = False

    def add(self, chunk: bytes) -> None:
        if self._is_too_long:
            return
        self._is_too_long = len(self._bytes) + len(chunk) > _MOST_ENCODED_BYTES
        if self._is_too_long:
            self._bytes.clear()
        else:
            self._bytes += chunk

    @property
    def whole(self) -> bytes:
        """All of it, or nothing if it was too long."""
        return bytes(self._bytes)


def _decoded(data: bytes, encoding: bytes) -> _Ends | None:
    window = _zlib_window(data, encoding)
    if window is None:
        return None
    ends, size = _Ends(), 0
    try:
        for piece in _pieces(data, window):
            ends.add(piece)
            size += len(piece)
            if size > _MOST_DECODED_BYTES:
                return None
    except zlib.error:
        return None
    return ends


def _pieces(data: bytes, window: int) -> Iterator[bytes]:
    while data:
        decoder = zlib.decompressobj(window)
        while not decoder.eof and (piece := decoder.decompress(data, _DECODED_AT_A_TIME)):
            yield piece
            data = decoder.unconsumed_tail
        # gzip data may be several members in a row (RFC 1952 section 2.2).
        data = decoder.unused_data


def _zlib_window(data: bytes, encoding: bytes) -> int | None:
    if encoding in (b"gzip", b"x-gzip"):
        return 16 + zlib.MAX_WBITS
    if encoding == b"deflate":
        # RFC 9110 section 8.4.1.2: some send the bare deflate data, without zlib's header.
        has_header = data[:1] and data[0] in _ZLIB_HEADER_FIRST_BYTES
        return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
    return None


def _usage_object(excerpt: bytes) -> Mapping[str, Any] | None:
    """The last `usage` that holds counts; a stream may report them more than once."""
    end = len(excerpt)
    for _ in range(_MOST_CANDIDATES):
        end = excerpt.rfind(_KEY, 0, end)
        if end < 0:
            return None
        value = _USAGE.match(excerpt, end)
        found = None if value is None else _object_at(excerpt, value.end())
        if found is not None and _input_tokens(found) is not None:
            return found
    return None


def _object_at(excerpt: bytes, start: int) -> Mapping[str, Any] | None:
    window = excerpt[start : start + _LONGEST_USAGE]
    if b"data:" in window:
        window = _EVENT_LINE_BREAK.sub(b"\n", window)
    try:
        found: dict[str, Any] = _JSON.raw_decode(window.decode("latin-1"))[0]
    except (ValueError, RecursionError):
        return None
    return found


def _usage(model: str, counts: Mapping[str, Any]) -> Usage:
    total = _input_tokens(counts) or 0
    details = _details(counts)
    cached = min(total, _count(details, "cached_tokens") or 0)
    written = min(total - cached, _count(details, "cache_write_tokens") or 0)
    output = _count(counts, "completion_tokens") or _count(counts, "output_tokens") or 0
    return Usage(model, total, cached, written, output)


def _input_tokens(counts: Mapping[str, Any]) -> int | None:
    """What chat completions and the Responses API call by different names."""
    prompt = _count(counts, "prompt_tokens")
    return _count(counts, "input_tokens") if prompt is None else prompt


def _details(counts: Mapping[str, Any]) -> Mapping[str, Any]:
    details: Any = counts.get("prompt_tokens_details") or counts.get("input_tokens_details")
    return cast("Mapping[str, Any]", details) if isinstance(details, dict) else {}


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    value = counts.get(name)
    # Exactly so: True is an int as well.
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
