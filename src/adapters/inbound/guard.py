"""The outermost part of the application: unsound request heads end here."""

from ...domain.errors import ProxyError
from ...domain.http.head_guard import check_head
from .asgi import Application, Receive, Scope, Send, request_head
from .downstream import error_headers


class Guard:
    """Passes sound requests on and answers the others itself, closing their connection."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "lifespan":
            try:
                check_head(request_head(scope))
            except ProxyError as error:
                await refuse(error, scope, send)
                return
        await self._application(scope, receive, send)


async def refuse(error: ProxyError, scope: Scope, send: Send) -> None:
    """Answer a request or a handshake before any of what follows its head is read."""
    body = error.as_json()
    # What follows an unsound head on its connection cannot be trusted either.
    headers = [*error_headers(error, body), (b"connection", b"close")]
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    await send({"type": f"{kind}.start", "status": error.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body, "more_body": False})
