"""The head of a request as it arrived: the one value that decisions are made from."""

from typing import Literal

from attrs import Factory, field, frozen

from .headers import RawHeaders

_ANNOUNCES_BODY = frozenset({b"content-length", b"transfer-encoding"})
_DIGESTS = frozenset({b"content-digest", b"content-md5", b"digest", b"repr-digest"})


def _names_of(head: "RequestHead") -> frozenset[bytes]:
    return frozenset([name for name, _ in head.headers])


@frozen
class RequestHead:
    """Method, target and header fields; names in lower case, as ASGI delivers them."""

    method: str
    raw_path: bytes
    """The path exactly as encoded by the client, without the query."""
    query: bytes
    headers: RawHeaders
    peer: str | None = None
    """The IP address it came from; None where there is none, such as on a Unix socket."""
    http_version: str = "1.1"
    names: frozenset[bytes] = field(
        default=Factory(_names_of, takes_self=True), init=False, repr=False, eq=False
    )
    """The names of all its fields: most questions about a head are answered by one look here."""

    def values(self, name: bytes) -> list[bytes]:
        """All values of the field `name`, in order."""
        if name not in self.names:
            return []
        return [value for field_name, value in self.headers if field_name == name]

    def value(self, name: bytes) -> bytes | None:
        """The first value of the field `name`."""
        values = self.values(name)
        return values[0] if values else None

    @property
    def has_body(self) -> bool:
        """Whether a body follows, if only an empty one (RFC 9112 section 6.3)."""
        return not self.names.isdisjoint(_ANNOUNCES_BODY)

    @property
    def content_length(self) -> int | None:
        """The announced length of the body, in bytes."""
        value = self.value(b"content-length")
        return None if value is None else int(value)

    @property
    def body_fixed_by(self) -> Literal["content_encoding", "digest"] | None:
        """What binds the body to its exact bytes, so that a change would make it untrue."""
        if b"content-encoding" in self.names:
            return "content_encoding"
        return None if self.names.isdisjoint(_DIGESTS) else "digest"
