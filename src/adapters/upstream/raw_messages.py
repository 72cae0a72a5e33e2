"""Messages of httpx that are sent and handed on as they were given."""

from typing import Any

import httpx

Fields = list[tuple[bytes, bytes]]


class RawFields(httpx.Headers):
    """Header fields that become httpx's index of names only when one is looked up.

    Relaying needs the list alone; indexing it costs as much as parsing the head.
    """

    def __init__(self, fields: Fields) -> None:
        self._fields = fields  # The rest of the state is made in __getattr__.

    @property
    def raw(self) -> Fields:
        """The fields, in order and with duplicates."""
        return self.__dict__.get("_fields") or super().raw

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__.pop("_fields", None)
        if fields is None:
            raise AttributeError(name)
        super().__init__(fields)
        return getattr(self, name)


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


class RawResponse(httpx.Response):
    """An answer whose parts are taken as they are, its body yet to come.

    httpx's own constructor copies and indexes the fields.
    """

    is_closed = False
    is_stream_consumed = False
    next_request = None
    default_encoding = "utf-8"
    _request = None
    _num_bytes_downloaded = 0

    def __init__(
        self,
        status_code: int,
        headers: httpx.Headers,
        stream: httpx.AsyncByteStream,
        extensions: dict[str, Any],
    ) -> None:
        self.status_code = status_code
        self.headers = headers
        self.stream = stream
        self.extensions = extensions
        self.history = []
