"""The types of the ASGI specification, version 3, and a request's head read from its scope."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ...domain.http.request_head import RequestHead
from ...domain.ports import RawHeaders

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
OnLeaving = Callable[[Callable[[], None]], None]
SendNow = Callable[[bytes], bool]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


_HEAD = "openai_proxy.head"

ON_LEAVING = "openai_proxy.on_leaving"
"""Where a server that offers it puts a function that takes what to call once the client leaves."""

SEND_NOW = "openai_proxy.send_now"
"""Where a server that offers it puts a function that sends a chunk of the body without waiting.

It tells whether it did. If it did not, `send` is to be awaited with the chunk.
"""


def request_head(scope: Scope) -> RequestHead:
    """The head of the request that `scope` describes, read once; a WebSocket handshake is a GET."""
    if _HEAD not in scope:
        scope[_HEAD] = _read_head(scope)
    head: RequestHead = scope[_HEAD]
    return head


def with_headers(scope: Scope, headers: RawHeaders) -> Scope:
    """The scope of the same request with other header fields."""
    changed = {**scope, "headers": headers}
    changed.pop(_HEAD, None)
    return changed


def _read_head(scope: Scope) -> RequestHead:
    peer = scope.get("client")
    # The specification leaves raw_path without the query; some servers do not.
    raw_path, mark, _ = scope["raw_path"].partition(b"?")
    query = scope["query_string"]
    return RequestHead(
        method=scope.get("method", "GET"),
        raw_path=raw_path,
        query=b"?" + query if query else mark,
        headers=scope["headers"],
        peer=peer[0] if peer else None,
        http_version=scope["http_version"],
    )
