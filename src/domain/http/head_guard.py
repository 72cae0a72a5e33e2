"""Which request heads are sound enough to relay, and which are refused outright.

What one server reads as the end of a request, the next may not: whatever is
ambiguous about framing is refused here and never reaches the upstream (RFC 9112
section 11.2, request smuggling). Limits are checked before anything is copied.
"""

import re
from itertools import chain

from ..errors import BadRequest, RequestTooLarge
from .request_head import RawHeaders, RequestHead

KIB = 1024
MAX_HEAD_BYTES = 64 * KIB
MAX_FIELDS = 100
MAX_TARGET_BYTES = 16 * KIB

_DIGITS = re.compile(rb"[0-9]{1,19}")
# RFC 9110 section 5.5; not every parser refuses them.
_CONTROL_CHARACTERS = bytes({*range(0x20), 0x7F} - {ord("\t")})
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(:[0-9]{0,5})?")


def check_head(head: RequestHead) -> None:
    """Raise BadRequest or RequestTooLarge unless the head is sound."""
    if len(head.raw_path) + len(head.query) > MAX_TARGET_BYTES:
        raise RequestTooLarge(
            f"The request target is longer than {MAX_TARGET_BYTES} bytes.", status=414
        )
    _check_size(head.headers)
    if head.http_version not in ("1.0", "1.1"):
        raise BadRequest("Only HTTP/1.0 and HTTP/1.1 are spoken here.")
    if head.method == "CONNECT":
        raise BadRequest("This proxy opens no tunnels: CONNECT is refused.")
    _check_host(head.values(b"host"))
    _check_framing(head)


def _check_size(headers: RawHeaders) -> None:
    if len(headers) > MAX_FIELDS:
        raise RequestTooLarge(f"There are more than {MAX_FIELDS} header fields.", status=431)
    fields = b"".join(chain.from_iterable(headers))
    if len(fields) > MAX_HEAD_BYTES:
        raise RequestTooLarge(
            f"The header fields are longer than {MAX_HEAD_BYTES} bytes.", status=431
        )
    if len(fields.translate(None, _CONTROL_CHARACTERS)) < len(fields):
        raise BadRequest("A header field holds NUL, CR, LF or another control character.")


def _check_host(hosts: list[bytes]) -> None:
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        raise BadRequest("Exactly one valid Host field is needed.")


def _check_framing(head: RequestHead) -> None:
    lengths = head.values(b"content-length")
    codings = head.values(b"transfer-encoding")
    if not lengths and not codings:
        return
    if lengths and codings:
        raise BadRequest("Content-Length and Transfer-Encoding exclude each other.")
    if codings and (len(codings) > 1 or codings[0].lower() != b"chunked"):
        raise BadRequest("The only Transfer-Encoding understood here is 'chunked'.")
    if codings and head.http_version == "1.0":
        # RFC 9112 section 6.1: whoever passed it on may have taken the body for something else.
        raise BadRequest("HTTP/1.0 has no Transfer-Encoding.")
    if lengths and (len(set(lengths)) > 1 or not _DIGITS.fullmatch(lengths[0])):
        raise BadRequest("Content-Length must be one number.")
    # Parsers take what follows such a head for the other protocol, and lose the body.
    if head.value(b"upgrade") is not None and lengths[:1] != [b"0"]:
        raise BadRequest("A request with a body cannot ask for an upgrade.")
