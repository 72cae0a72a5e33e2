"""Header fields as tests compare them: ordered, with duplicates, names in lower case."""

from collections.abc import Sequence

Headers = Sequence[tuple[bytes, bytes]]

_WRITTEN_BY_EACH_HOP = {b"host", b"via", b"content-length", b"transfer-encoding"}


def lowered(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in headers]


def end_to_end(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The fields without those that each hop writes for itself."""
    return [field for field in lowered(headers) if field[0] not in _WRITTEN_BY_EACH_HOP]


def values_of(headers: Headers, name: bytes) -> list[bytes]:
    """The values of every field of that name, in order."""
    return [value for key, value in headers if key.lower() == name.lower()]
