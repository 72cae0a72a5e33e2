"""The half of the guard that only the server's parser can be: what ASGI never sees."""

import re

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ..domain.errors import BadRequest
from .downstream import error_headers

# Origin form (RFC 9112 section 3.2.1). uvicorn takes the path out of anything else.
_ORIGIN_FORM = re.compile(rb"/[\x21\x22\x24-\x7e]*")


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol, which refuses more and says so in OpenAI's shape."""

    def on_headers_complete(self) -> None:
        """Refuse a target that ASGI would show as something else."""
        if not _ORIGIN_FORM.fullmatch(self.url):
            raise ValueError("not in origin form")
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 says no more than ours
        """Refuse the request, unless that would land in the middle of another's answer."""
        if not getattr(self.cycle, "response_complete", True):
            self.transport.abort()
            return
        error = BadRequest("This is not a request that can be understood.")
        body = error.as_json()
        lines = [name + b": " + value + b"\r\n" for name, value in error_headers(error, body)]
        self.transport.write(
            STATUS_LINE[error.status] + b"".join(lines) + b"connection: close\r\n\r\n" + body
        )
        self.transport.close()
