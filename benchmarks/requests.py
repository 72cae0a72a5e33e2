"""The requests of the load, with the header fields that OpenAI's own client sends."""

import json
import random

from .prose import ENGLISH

_FIELDS = (
    b"Host: 127.0.0.1\r\n"
    b"Accept-Encoding: gzip, deflate\r\n"
    b"Connection: keep-alive\r\n"
    b"Accept: application/json\r\n"
    b"Content-Type: application/json\r\n"
    b"User-Agent: OpenAI/Python 2.8.0\r\n"
    b"X-Stainless-Lang: python\r\n"
    b"X-Stainless-Package-Version: 2.8.0\r\n"
    b"X-Stainless-OS: Linux\r\n"
    b"X-Stainless-Arch: x64\r\n"
    b"X-Stainless-Runtime: CPython\r\n"
    b"X-Stainless-Runtime-Version: 3.13.0\r\n"
    b"X-Stainless-Async: false\r\n"
    b"x-stainless-retry-count: 0\r\n"
    b"x-stainless-read-timeout: 600\r\n"
    b"Authorization: Bearer sk-benchmark\r\n"
)


def get(path: bytes) -> bytes:
    """A request without a body."""
    return b"GET %b HTTP/1.1\r\n%b\r\n" % (path, _FIELDS)


def post_head(path: bytes, length: int) -> bytes:
    """The head of a request with a body of `length` bytes."""
    return b"POST %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (path, _FIELDS, length)


def chat(user: str = "benchmark", text_bytes: int = 900, seed: int = 0) -> tuple[bytes, bytes]:
    """Head and body of a chat; `user` says what the scripted upstream is to answer."""
    sentences = ENGLISH.splitlines()
    count = text_bytes // min(map(len, sentences)) + 1
    text = " ".join(random.Random(seed).choices(sentences, k=count))  # noqa: S311 no secret
    body = json.dumps(
        {
            "user": user,
            "model": "gpt-4o",
            "stream": user[0].isdigit(),
            "messages": [{"role": "user", "content": text[:text_bytes]}],
        }
    ).encode()
    return post_head(b"/v1/chat/completions", len(body)), body


def stream(events: int, milliseconds: int) -> tuple[bytes, bytes]:
    """Head and body of a chat whose answer is `events` events, one each so many milliseconds."""
    return chat(f"{events}x{milliseconds}ms")
