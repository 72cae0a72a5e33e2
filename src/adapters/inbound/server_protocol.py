"""The half of the guard that only the server's parser can be: what ASGI never sees."""

import asyncio
import re
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

from httptools import HttpRequestParser
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ...domain.errors import BadRequest, ProxyError, RequestTooLarge
from ...domain.http.head_guard import MAX_HEAD_BYTES, MAX_TARGET_BYTES
from .asgi import ON_LEAVING, SEND_NOW
from .downstream import error_headers
from .flow import WatchfulFlow

HEAD_SECONDS = 15
"""How long a head may take to arrive, from the connection or its first byte on."""

# Origin form (RFC 9112 section 3.2.1). uvicorn takes the path out of anything else.
_ORIGIN_FORM = re.compile(rb"/[\x21\x22\x24-\x7e]*")

_LINGER = "hh" if sys.platform == "win32" else "ii"


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol, which refuses more and says so in OpenAI's shape."""

    parser: HttpRequestParser
    _in_head = False
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _client_left: Callable[[], None] | None = None
    _answering: RequestResponseCycle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return bool(getattr(self.cycle, "response_complete", True))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head before long."""
        super().connection_made(transport)
        self.flow = WatchfulFlow(transport, self.loop)
        self._head_timer = self.loop.call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more, and say so to the request that is under way."""
        self._head_has_ended()
        # After a reset uvicorn lets it run out, and all that belongs to the connection with it.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        if not self.is_idle:
            # A head that is held refers back; letting go spares the garbage collector.
            self.cycle.transport = self.transport
        if self._answering is not None:
            # uvicorn tells the request that came last, which may wait behind this one.
            self._answering.disconnected = True
        if self._client_left is not None:
            self._client_left()
            self._client_left = None

    def on_leaving(self, call: Callable[[], None]) -> None:
        """Call back when the client leaves, in place of whoever asked before.

        It spares each request a task that waits for it by `receive`.
        """
        self._client_left = call
        if self.transport.is_closing():
            self.loop.call_soon(call)

    def send_now(self, chunk: bytes) -> bool:
        """Send a chunk of the answer under way, if that needs no waiting; tells whether it did.

        It is what uvicorn's `send` comes to in most cases, without its coroutine
        and those around it. All other cases are left to `send`.
        """
        cycle = self._answering
        if cycle is None or self.flow.write_paused or cycle.disconnected or not chunk:
            return False
        if cycle.chunked_encoding:
            cycle.transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            return True
        if len(chunk) > cycle.expected_content_length:
            return False
        cycle.expected_content_length -= len(chunk)
        cycle.transport.write(chunk)
        return True

    def data_received(self, data: bytes) -> None:
        """Parse, but no more of a head than may be, nor for longer."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES + MAX_TARGET_BYTES:
                self._refuse(RequestTooLarge("The head of the request is too long.", status=431))
                return
        super().data_received(data)
        if self._in_head and self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def on_message_begin(self) -> None:
        """Count the bytes of the head that begins."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head. Trailers are none (RFC 9110 section 6.5.1)."""
        if not self._in_head:
            return
        # What uvicorn does, without a further call for each field.
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Refuse a target that ASGI would show as something else, and a handshake out of turn."""
        self._head_has_ended()
        if not _ORIGIN_FORM.fullmatch(self.url):
            raise ValueError("not in origin form")
        if not self.is_idle and self.parser.should_upgrade() and self._should_upgrade():
            # The connection would change hands, and whoever is being answered never see its end.
            raise ValueError("a handshake behind a request that has no answer yet")
        # uvicorn types the keys of the specification alone.
        self.scope[ON_LEAVING] = self.on_leaving  # type: ignore[literal-required]
        super().on_headers_complete()
        if self.url.endswith(b"?") and "raw_path" in self.scope:
            # ASGI has one spelling for an empty query and none. A handshake is not spelt out here.
            self.scope["raw_path"] += b"?"
        # An answer to HEAD is a head alone: nothing follows that it could leave with.
        if self.scope["method"] != "HEAD" and not self.is_idle:
            self.scope[SEND_NOW] = self.send_now  # type: ignore[literal-required]
            self.cycle.transport = _HeldHead(self.cycle, self.loop)  # type: ignore[assignment]
        if self.parser.should_upgrade() and not self.is_idle:
            # The parser reads nothing behind it, though the protocol stays the same.
            self.cycle.keep_alive = False
        if self.scope["http_version"] == "1.0":
            self.cycle.send = _UnframedAnswer(self.cycle, self.transport)  # type: ignore[method-assign]

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        # Added to empty bytes a piece stays what it is; uvicorn's bytearray copies it in and out.
        if not getattr(self.cycle, "body", True):
            self.cycle.body = b""  # type: ignore[assignment]
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 says no more than ours
        """Refuse what the parser could not read."""
        self._refuse(BadRequest("This is not a request that can be understood."))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _head_has_ended(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, error: ProxyError) -> None:
        # What stands behind an answer that is under way must not land in the middle of it.
        if not self.is_idle:
            self.transport.abort()
            return
        body = error.as_json()
        lines = [name + b": " + value + b"\r\n" for name, value in error_headers(error, body)]
        self.transport.write(
            STATUS_LINE[error.status] + b"".join(lines) + b"connection: close\r\n\r\n" + body
        )
        self.transport.close()


class _HeldHead:
    """The transport of an answer until its head has left.

    The head is held until the event loop turns: a body that is there by then
    leaves in the same write, which spares a system call, a packet, and the
    client a second awakening.
    """

    __slots__ = ("_cycle", "_head", "_loop", "_transport")

    def __init__(self, cycle: RequestResponseCycle, loop: asyncio.AbstractEventLoop) -> None:
        self._cycle = cycle
        self._loop = loop
        self._transport = cycle.transport
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        if self._head is None:
            self._head = data
            self._loop.call_soon(self._release)
        else:
            self._release(data)

    def close(self) -> None:
        self._release()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _release(self, *body: bytes) -> None:
        if self._head is not None and not self._transport.is_closing():
            self._transport.writelines((self._head, *body))
        self._head = None
        self._cycle.transport = self._transport


class _UnframedAnswer:
    """The `send` of an HTTP/1.0 request: an answer of unknown length ends with the connection.

    uvicorn sends chunks whatever the version, which HTTP/1.0 does not know (RFC
    9112 section 6.1). Its count of the bytes still to come is made not to run
    out. A connection that ends before the answer does is reset, since an end in
    order would pass for the answer's.
    """

    def __init__(self, cycle: RequestResponseCycle, transport: asyncio.Transport) -> None:
        self._cycle = cycle
        self._transport = transport
        self._send: Any = cycle.send
        self._is_unframed = False

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            names = [name for name, _ in message["headers"]]
            self._is_unframed = b"content-length" not in names
            if self._is_unframed:
                self._cycle.chunked_encoding = False
                self._cycle.expected_content_length = sys.maxsize
                _reset_on_close(self._transport, resets=True)
        elif self._is_unframed and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            self._cycle.expected_content_length = 0
            message = {**message, "body": b""}
            _reset_on_close(self._transport, resets=False)
        await self._send(message)


def _reset_on_close(transport: asyncio.Transport, *, resets: bool) -> None:
    """Have the connection reset when it is closed, or ended in order again."""
    if not transport.is_closing():
        linger = struct.pack(_LINGER, resets, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
