"""Keeping a silent event stream alive, for load balancers that cut what does not speak.

A comment is what the standard offers for that (HTML Living Standard section
9.2.7), and it changes what the client receives: hence only if asked for.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable

from ...domain.ports import RawHeaders

COMMENT = b": keep-alive\n\n"

_ENDS_OF_EVENTS = (b"\n\n", b"\r\r", b"\r\n\r\n")
_LONGEST_END = 4


def is_event_stream(headers: RawHeaders) -> bool:
    """Whether comments may be put into an answer with these fields, names in lower case."""
    fields = dict(headers)
    media_type = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return media_type == b"text/event-stream" and not fields.keys() & {
        b"content-length",
        b"content-encoding",
    }


async def with_keep_alive(
    chunks: AsyncIterable[bytes], silence_seconds: float
) -> AsyncGenerator[bytes]:
    """The chunks as they come, and a comment after each silence that falls between two events."""
    tail = b"\n\n"
    pieces = aiter(chunks)
    coming = asyncio.ensure_future(anext(pieces))
    try:
        while True:
            arrived, _ = await asyncio.wait({coming}, timeout=silence_seconds)
            if not arrived:
                if tail.endswith(_ENDS_OF_EVENTS):
                    yield COMMENT
                continue
            try:
                chunk = coming.result()
            except StopAsyncIteration:
                return
            coming = asyncio.ensure_future(anext(pieces))
            tail = (tail + chunk)[-_LONGEST_END:]
            yield chunk
    finally:
        coming.cancel()
