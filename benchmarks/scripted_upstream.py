"""An upstream that costs next to nothing: python -m benchmarks.scripted_upstream PORT.

The `user` of a request says what is to come back: `20x50ms` is a stream of 20
events, one each 50 ms, whose text is the time at which it left, in nanoseconds.
"""

import asyncio
import re
import sys
import time
from typing import cast

import httptools
import uvloop

MIB = 1024 * 1024
DOWNLOAD_BYTES = 64 * MIB

_SCRIPT = re.compile(rb'"user":\s*"(\d+)x(\d+)ms"')
_PIECE = b"x" * (256 * 1024)

# Such fields as the API itself sends.
_FIELDS = (
    b"access-control-expose-headers: X-Request-ID\r\n"
    b"openai-organization: org-benchmark\r\n"
    b"openai-processing-ms: 12\r\n"
    b"openai-version: 2020-10-01\r\n"
    b"x-ratelimit-limit-requests: 10000\r\n"
    b"x-ratelimit-limit-tokens: 2000000\r\n"
    b"x-ratelimit-remaining-requests: 9999\r\n"
    b"x-ratelimit-remaining-tokens: 1999745\r\n"
    b"x-ratelimit-reset-requests: 6ms\r\n"
    b"x-ratelimit-reset-tokens: 7ms\r\n"
    b"x-request-id: req_0123456789abcdef0123456789abcdef\r\n"
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    + _FIELDS
    + b"transfer-encoding: chunked\r\n\r\n"
)
_EVENT = (
    b'data: {"id":"chatcmpl-0123456789abcdefghijklmnopqrs","object":"chat.completion.chunk",'
    b'"created":1700000000,"model":"gpt-4o-2024-08-06","service_tier":"default",'
    b'"system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":{"content":" %d"},'
    b'"logprobs":null,"finish_reason":null}]}\n\n'
)
_LAST_EVENT = b"data: [DONE]\n\n"


def _answer(body: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        + _FIELDS
        + b"content-length: %d\r\n\r\n" % len(body)
        + body
    )


COMPLETION = _answer(
    b'{"id":"chatcmpl-0123456789abcdefghijklmnopqrs","object":"chat.completion",'
    b'"created":1700000000,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"' + b"words " * 100 + b'","refusal":null},'
    b'"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":200,'
    b'"completion_tokens":100,"total_tokens":300,"prompt_tokens_details":'
    b'{"cached_tokens":0,"audio_tokens":0}},"service_tier":"default",'
    b'"system_fingerprint":"fp_0123456789"}'
)
_SMALL = _answer(b'{"object":"list","data":[]}')
_DOWNLOAD_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
    + _FIELDS
    + b"content-length: %d\r\n\r\n" % DOWNLOAD_BYTES
)


class Conversation(asyncio.Protocol):
    """One connection of a proxy's, or of the load itself."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._start = b""
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 either way it is over
        self._unsent = 0
        if self._timer is not None:
            self._timer.cancel()

    def resume_writing(self) -> None:
        self._send_download()

    def on_message_begin(self) -> None:
        self._start = b""

    def on_url(self, url: bytes) -> None:
        self._target = url

    def on_body(self, piece: bytes) -> None:
        # What tells the script stands at the start of a body, in a few pieces at most.
        if len(self._start) < 1024:
            self._start += piece

    def on_message_complete(self) -> None:
        script = _SCRIPT.search(self._start[:1024])
        if script is not None:
            self._transport.write(_STREAM_HEAD)
            self._send_event(int(script[1]), int(script[2]) / 1000, self._loop.time())
        elif self._target.endswith(b"/content"):
            self._transport.write(_DOWNLOAD_HEAD)
            self._unsent = DOWNLOAD_BYTES
            self._send_download()
        else:
            is_chat = self._target.endswith(b"/chat/completions")
            self._transport.write(COMPLETION if is_chat else _SMALL)

    def _send_event(self, remaining: int, interval: float, due: float) -> None:
        if remaining == 0:
            self._transport.write(_chunk(_LAST_EVENT) + b"0\r\n\r\n")
            return
        self._transport.write(_chunk(_EVENT % time.monotonic_ns()))
        due += interval
        self._timer = self._loop.call_at(due, self._send_event, remaining - 1, interval, due)

    def _send_download(self) -> None:
        while self._unsent and not self._transport.get_write_buffer_size():
            self._transport.write(_PIECE[: self._unsent])
            self._unsent -= min(len(_PIECE), self._unsent)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        Conversation, "127.0.0.1", port, backlog=2048
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
