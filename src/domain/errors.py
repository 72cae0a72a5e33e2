"""The errors that the proxy itself answers with, in OpenAI's shape.

ProxyError
├── BadRequest            400  the caller's request cannot be relayed as it stands
│   ├── NoSuchPage        404  the proxy has no page of its own there
│   └── MethodNotAllowed  405  it has one, but not for this method
├── Unauthorized          401  no key came with it and none may be lent
├── RequestTooLarge       413  (414 target, 431 header fields) beyond a stated limit
├── UpstreamUnreachable   502  no connection, or it ended before an answer
├── UpstreamProtocolError 502  what came back is not an HTTP answer
├── UpstreamTimeout       504  nothing came back in time
├── Overloaded            503  no room for the request now; try again
└── LoopDetected          508  the request has been through this proxy before

An answer of the upstream is never an error here, whatever its status: it is
the client's to see.
"""

import json
from typing import ClassVar


class ProxyError(Exception):
    """Something that the proxy answers itself; `str()` is the sentence the client reads."""

    status: int = 500
    code: ClassVar[str] = "internal_error"
    retry_after_seconds: ClassVar[int | None] = None
    param: str | None = None
    """What of the request is at fault, as the client spells it."""

    def as_json(self) -> bytes:
        """The body of the answer, as in the API reference under "Error codes"."""
        error = {
            "message": str(self),
            "type": "proxy_error",
            "param": self.param,
            "code": self.code,
        }
        return json.dumps({"error": error}).encode()


class BadRequest(ProxyError):
    """The request cannot be relayed as it stands."""

    status = 400
    code = "bad_request"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class Unauthorized(ProxyError):
    """The request brought no key, and the server's own may not be lent to it."""

    status = 401
    code = "unauthorized"


class NoSuchPage(BadRequest):
    """Nothing stands at this path, which is the proxy's own."""

    status = 404


class MethodNotAllowed(BadRequest):
    """What stands at this path, which is the proxy's own, does not take the method."""

    status = 405


class RequestTooLarge(ProxyError):
    """The body, the target (414) or the header fields (431) are beyond a limit."""

    status = 413
    code = "request_too_large"

    def __init__(self, message: str, status: int = 413) -> None:
        super().__init__(message)
        self.status = status


class UpstreamError(ProxyError):
    """The upstream gave no answer that could be relayed."""

    status = 502


class UpstreamUnreachable(UpstreamError):
    """No connection could be made, or it ended before the answer began."""

    code = "upstream_unreachable"


class UpstreamProtocolError(UpstreamError):
    """What the upstream sent is not an HTTP answer."""

    code = "upstream_protocol_error"


class UpstreamTimeout(UpstreamError):
    """Connecting took too long, or nothing came back in time."""

    status = 504
    code = "upstream_timeout"


class Overloaded(ProxyError):
    """There is no room for the request at this moment."""

    status = 503
    code = "overloaded"
    retry_after_seconds = 1


class LoopDetected(ProxyError):
    """The request already passed through this proxy."""

    status = 508
    code = "loop_detected"
