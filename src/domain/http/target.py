"""Where a request goes: the target sent upstream, and which endpoint it is.

The upstream's origin and base path are fixed at start. A request only chooses
what follows them, and cannot climb out of them.
"""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from ..errors import BadRequest

_COMPRESSED_ENDPOINTS = {
    b"/chat/completions": "chat",
    b"/responses": "responses",
    b"/completions": "completions",
}
_VISIBLE_ASCII = re.compile(rb"[\x21-\x7e]*")
_SEGMENT_SEPARATOR = re.compile(rb"[/\\;]")


def relative_path(raw_path: bytes) -> bytes:
    """`raw_path` below the API's root: one leading `/v1` segment, spelt so, is dropped.

    >>> relative_path(b"/v1/models"), relative_path(b"/models"), relative_path(b"/v1/v1/x")
    (b'/models', b'/models', b'/v1/x')
    """
    if raw_path == b"/v1":
        return b""
    return raw_path[3:] if raw_path.startswith(b"/v1/") else raw_path


def upstream_target(base_path: bytes, raw_path: bytes, query: bytes) -> bytes:
    """The request target in origin form (RFC 9112 section 3.2.1), byte for byte as it came.

    Raises BadRequest if `raw_path` could lead outside `base_path` or is no path at all.

    >>> upstream_target(b"/v1", b"/v1/files/a%2Fb", b"?x=1&x=")
    b'/v1/files/a%2Fb?x=1&x='
    """
    target = _upstream_path(base_path, raw_path)
    if query:
        _check_characters(query)
        target += query
    return target


# Most requests go to a handful of paths.
@lru_cache(maxsize=128)
def _upstream_path(base_path: bytes, raw_path: bytes) -> bytes:
    if not raw_path.startswith(b"/") or raw_path.startswith(b"//"):
        raise BadRequest("The request target must be a path that starts with one '/'.")
    _check_characters(raw_path)
    _check_segments(raw_path)
    return base_path + relative_path(raw_path) or b"/"


def _check_characters(part: bytes) -> None:
    if not _VISIBLE_ASCII.fullmatch(part):
        raise BadRequest("The request target may hold visible ASCII characters only.")
    if b"#" in part:
        raise BadRequest("The request target may not hold a fragment.")


def _check_segments(raw_path: bytes) -> None:
    r"""Refuse dot segments.

    They are looked for after one percent-decoding, since some servers decode
    before they resolve them (RFC 3986 section 5.2.4); `\` and `;` count as
    separators, since some servers treat them so.
    """
    segments = _SEGMENT_SEPARATOR.split(unquote_to_bytes(raw_path))
    if b"." in segments or b".." in segments:
        raise BadRequest("The request path may not hold '.' or '..' segments.")


def compressible_endpoint(method: str, raw_path: bytes) -> str | None:
    """The endpoint (`chat`, `responses`, `completions`) whose body this request carries."""
    return _COMPRESSED_ENDPOINTS.get(relative_path(raw_path)) if method == "POST" else None


def compressible_frames(raw_path: bytes) -> str | None:
    """The endpoint (`responses`) whose events the text frames of a WebSocket there carry."""
    return "responses" if relative_path(raw_path) == b"/responses" else None
