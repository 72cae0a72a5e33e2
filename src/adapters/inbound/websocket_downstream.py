"""The client's side of one WebSocket: its handshake, its messages, its leaving."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

from ...domain.errors import ProxyError
from ...domain.http.websockets import Close, Message, close_for
from ...domain.ports import RawHeaders
from .asgi import ON_LEAVING, OnLeaving, Receive, Scope, Send
from .downstream import error_headers


class WebSocketDownstream:
    """One WebSocket of a client.

    Until the handshake is answered, a watcher cancels the task that this was
    made in if the client leaves. Afterwards `receive` tells, and a server that
    offers it cancels the task where nobody comes to receive.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._task = asyncio.current_task()
        self._watcher = asyncio.create_task(self._watch())
        on_leaving: OnLeaving | None = scope.get(ON_LEAVING)
        if on_leaving is not None:
            on_leaving(self._leave)
        self.status: int | None = None
        self.bytes_received = 0
        self.bytes_sent = 0
        self.has_left = False
        self.has_ended_in_order = False
        """Whether one side's close reached the other."""

    @property
    def was_refused(self) -> bool:
        """Whether the handshake was answered as plain HTTP."""
        return self.status not in (None, HTTPStatus.SWITCHING_PROTOCOLS)

    @property
    def is_answered(self) -> bool:
        """Whether the client got all that there was for it."""
        return self.has_ended_in_order or self.was_refused

    async def accept(self, subprotocol: str | None, headers: RawHeaders) -> None:
        """Consent to the handshake."""
        self._watcher.cancel()
        self.status = HTTPStatus.SWITCHING_PROTOCOLS
        await self._tell(
            {"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers}
        )

    async def refuse(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Answer the handshake as plain HTTP."""
        self._watcher.cancel()
        self.status = status
        self.bytes_sent = len(body)
        await self._tell(
            {"type": "websocket.http.response.start", "status": status, "headers": headers}
        )
        await self._tell({"type": "websocket.http.response.body", "body": body})

    async def fail(self, error: ProxyError) -> None:
        """Say that something went wrong, in the way that is still open."""
        if self.status is None:
            body = error.as_json()
            await self.refuse(error.status, error_headers(error, body), body)
        elif not self.was_refused:
            await self.close(close_for(error))

    async def receive(self) -> Message | Close:
        """The next message, or how the client ended."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            return Close(event["code"], event.get("reason") or "")
        text = event.get("text")
        message: Message = event["bytes"] if text is None else text
        self.bytes_received += _size(message)
        return message

    async def send(self, message: Message) -> None:
        """Send a message. To a client that has ended this does nothing: `receive` tells."""
        self.bytes_sent += _size(message)
        kind = "text" if isinstance(message, str) else "bytes"
        await self._tell({"type": "websocket.send", kind: message})

    async def close(self, close: Close) -> None:
        """Close it, if the client has not."""
        await self._tell({"type": "websocket.close", "code": close.code, "reason": close.reason})

    def stop_watching(self) -> None:
        """End the watch for the client's leaving."""
        self._watcher.cancel()
        self._task = None

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "websocket.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        if self._task is not None:
            self.has_left = True
            self._task.cancel()

    async def _tell(self, event: dict[str, object]) -> None:
        # Servers raise OSError once the client has gone.
        with suppress(OSError):
            await self._send(event)


def _size(message: Message) -> int:
    if isinstance(message, str) and not message.isascii():
        return len(message.encode())
    return len(message)
