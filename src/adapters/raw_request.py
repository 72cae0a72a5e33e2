"""An httpx request that is sent as it was given."""

from typing import Any

import httpx


class RawRequest(httpx.Request):
    """A request whose parts are taken as they are.

    httpx's own constructor copies the URL, which costs 16 us and forgets a
    subclass, and writes the method in capitals.
    """

    def __init__(
        self,
        method: str,
        url: httpx.URL,
        headers: httpx.Headers,
        stream: httpx.AsyncByteStream,
        extensions: dict[str, Any],
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.stream = stream
        self.extensions = extensions
