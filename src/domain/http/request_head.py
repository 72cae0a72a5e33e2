"""The head of a request as it arrived: the one value that decisions are made from."""

from collections.abc import Mapping, Sequence
from typing import Literal

from attrs import Factory, field, frozen

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Header fields in the order they came, duplicates included; RFC 9110 section 5.3."""

_ANNOUNCES_BODY = frozenset({b"content-length", b"transfer-encoding"})
_DIGESTS = frozenset({b"content-digest", b"content-md5", b"digest", b"repr-digest"})


def _first_values(head: "RequestHead") -> Mapping[bytes, bytes]:
    return dict(reversed(head.headers))


@frozen
class RequestHead:
    """Method, target and header fields; names in lower case, as ASGI delivers them."""

    method: str
    raw_path: bytes
    """The path exactly as encoded by the client, without the query."""
    query: bytes
    """With the question mark before it; empty if there is none."""
    headers: RawHeaders
    peer: str | None = None
    """The IP address it came from; None where there is none, such as on a Unix socket."""
    http_version: str = "1.1"
    first_values: Mapping[bytes, bytes] = field(
        default=Factory(_first_values, takes_self=True), init=False, repr=False, eq=False
    )
    """By name: most questions about a head are answered by one look here."""

    def values(self, name: bytes) -> list[bytes]:
        """All values of the field `name`, in order."""
        first = self.first_values.get(name)
        if first is None:
            return []
        if len(self.first_values) == len(self.headers):
            return [first]
        return [value for field_name, value in self.headers if field_name == name]

    def value(self, name: bytes) -> bytes | None:
        """The first value of the field `name`."""
        return self.first_values.get(name)

    @property
    def has_body(self) -> bool:
        """Whether a body follows, if only an empty one (RFC 9112 section 6.3)."""
        return not _ANNOUNCES_BODY.isdisjoint(self.first_values)

    @property
    def content_length(self) -> int | None:
        """The announced length of the body, in bytes."""
        value = self.value(b"content-length")
        return None if value is None else int(value)

    @property
    def body_fixed_by(self) -> Literal["content_encoding", "digest"] | None:
        """What binds the body to its exact bytes, so that a change would make it untrue."""
        if b"content-encoding" in self.first_values:
            return "content_encoding"
        return None if _DIGESTS.isdisjoint(self.first_values) else "digest"
