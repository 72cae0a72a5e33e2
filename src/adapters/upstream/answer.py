"""What has arrived of the answer to one request: bytes in, head and pieces of body out.

No I/O happens here. Framing that RFC 9112 section 6.3 leaves open to doubt is
refused rather than guessed at.
"""

import re
from collections import deque
from itertools import chain
from typing import Self

import httptools
import httpx

MAX_HEAD_BYTES = 64 * 1024
"""Of the heads of an answer, interim ones included, and again of its trailers."""

# RFC 9112 section 4; the parser looks at line ends alone.
_FORBIDDEN_IN_REASON = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Answer:
    """The answer to one request, as far as it has arrived."""

    status = 0
    reason = b""
    http_version = ""
    buffered_bytes = 0
    has_begun = False
    has_head = False
    is_complete = False
    has_surplus = False
    """Whether more bytes came than belong to the answer."""
    keeps_alive = False
    """Whether the connection may carry another exchange."""
    _head_bytes = 0
    _bytes_before_head = 0

    def __init__(self, method: str) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self._is_for_head = method == "HEAD"
        self.pieces: deque[bytes] = deque()
        """Those of the body that were not taken, cut as they came."""
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    @classmethod
    def to_nothing(cls) -> Self:
        """What a connection expects on which nothing was asked: any byte is too much."""
        answer = cls("")
        answer.is_complete = True
        answer.close()
        return answer

    def feed(self, data: bytes | memoryview) -> None:
        """Take what arrived; raises httpx.RemoteProtocolError if it is no HTTP answer."""
        if self._parser is None or self.is_complete:
            self.has_surplus = True
            return
        self.has_begun = True
        if not self.has_head:
            self._bytes_before_head += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.is_complete:
                raise httpx.RemoteProtocolError(_reason(error)) from error
            self.has_surplus = True
        if not self.has_head and self._bytes_before_head > MAX_HEAD_BYTES:
            raise _too_large()

    def end(self, *, in_order: bool) -> None:
        """Take the end of the connection; raises unless that is how the answer may end."""
        if in_order and self._ends_with_connection:
            self.is_complete = True
        if not self.is_complete:
            part = "within the answer" if self.has_begun else "without an answer"
            raise httpx.RemoteProtocolError(f"the connection ended {part}")

    def close(self) -> None:
        """Take nothing more."""
        # The parser refers back to this object; letting go spares the garbage collector.
        self._parser = None

    def take(self) -> bytes:
        """The next of the pieces, which must not be empty."""
        piece = self.pieces.popleft()
        self.buffered_bytes -= len(piece)
        return piece

    @property
    def is_taken(self) -> bool:
        """Whether it came to its end, and all of its body was taken."""
        return self.is_complete and not self.pieces

    # Called back by httptools.

    def on_message_begin(self) -> None:
        if self.is_complete:
            self.has_surplus = True

    def on_status(self, reason: bytes) -> None:
        if _FORBIDDEN_IN_REASON.search(reason):
            raise httpx.RemoteProtocolError("a control character stands in the status line")
        if not self.has_head:
            self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.has_head:
            self._pass_over_trailer(name, value)
        else:
            self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        if self._parser is None or self.is_complete:
            return
        if self._bytes_before_head > MAX_HEAD_BYTES:
            self._count_head(sum(map(len, chain.from_iterable(self.fields))))
        self.status = self._parser.get_status_code()
        self.http_version = self._parser.get_http_version()
        if self.http_version not in {"1.1", "1.0"}:
            raise httpx.RemoteProtocolError("the answer is not HTTP/1")
        if self.status < 200:
            self._pass_over_interim_head()
            return
        self._check_coding()
        self.keeps_alive = self._parser.should_keep_alive()
        self.has_head = True
        # RFC 9110 section 9.3.2: its length is that of the body it does not have.
        self.is_complete = self._is_for_head

    def on_body(self, piece: bytes) -> None:
        if self.is_complete:
            self.has_surplus = True
        elif self.has_head:
            self.pieces.append(piece)
            self.buffered_bytes += len(piece)
        else:
            raise httpx.RemoteProtocolError("an interim answer has a body")

    def on_message_complete(self) -> None:
        self.is_complete = self.has_head

    def _pass_over_interim_head(self) -> None:
        if self.status < 100 or self.status == 101:
            raise httpx.RemoteProtocolError(f"status {self.status} was not asked for")
        self.reason = b""
        self.fields = []

    def _pass_over_trailer(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))

    def _count_head(self, head_bytes: int) -> None:
        self._head_bytes += head_bytes
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _too_large()

    def _check_coding(self) -> None:
        codings = self._values(b"transfer-encoding")
        if not codings:
            return
        # RFC 9112 section 6.1: HTTP/1.0 knows no transfer coding, and one that is
        # not undone here would pass for the content.
        if b",".join(codings).lower() != b"chunked" or self.http_version == "1.0":
            raise httpx.RemoteProtocolError("the answer's transfer coding is not plain chunked")

    @property
    def _ends_with_connection(self) -> bool:
        return self.has_head and not (
            self._values(b"transfer-encoding") or self._values(b"content-length")
        )

    def _values(self, wanted: bytes) -> list[bytes]:
        return [value for name, value in self.fields if name.lower() == wanted]


def _too_large() -> httpx.RemoteProtocolError:
    return httpx.RemoteProtocolError(f"the answer's head is larger than {MAX_HEAD_BYTES} bytes")


def _reason(error: Exception) -> str:
    return str(error.__context__ or error)
