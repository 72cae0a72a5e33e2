"""Which header fields travel on, in either direction.

Fields are an ordered list of raw pairs and stay one. What is removed is what
HTTP makes an intermediary remove (RFC 9110 section 7.6.1), what belongs to the
platform around this hop, and the proxy's own control fields.
"""

from ..errors import BadRequest, LoopDetected
from .request_head import RawHeaders, RequestHead

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

# The framing of this hop; the next hop has its own.
_FRAMING = frozenset({b"content-length", b"host"})

# What a load balancer or Cloud Run tells about the caller is not the upstream's to know.
_PLATFORM = frozenset(
    {
        b"cf-connecting-ip",
        b"forwarded",
        b"x-cloud-trace-context",
        b"x-real-ip",
        b"x-serverless-authorization",
    }
)
_PLATFORM_PREFIXES = (b"x-forwarded-", b"x-goog-")
# These two are credentials and billing of Google's OpenAI-compatible endpoint.
_GOOGLE_API_FIELDS = frozenset({b"x-goog-api-key", b"x-goog-user-project"})

PROXY_KEY_FIELD = b"x-proxy-api-key"

_LONGEST_SHOWN = 64
_CONTROL_PREFIX = b"x-compression-"
_CONTROL = (
    b"x-compression",
    b"x-compression-ratio",
    b"x-compression-strategy",
    b"x-tokens-to-keep-ratio",
)

_NEVER_UPSTREAM = _HOP_BY_HOP | _FRAMING | _PLATFORM | {PROXY_KEY_FIELD, *_CONTROL}
# Every name with one of the prefixes lies between these two, and hardly any other does.
_PREFIXED = (b"x-c", b"x-h")

# A WebSocket handshake of the next hop brings its own (RFC 6455 section 4.1),
# the subprotocol excepted, which is negotiated end to end.
_HANDSHAKE = frozenset(
    {
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
    }
)


def request_headers(head: RequestHead, *, via: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of a request that go upstream, and our Via (RFC 9110 section 7.6.3).

    Raises LoopDetected if the request has been sent on under the pseudonym
    `via` before, and BadRequest for a control field that there is none of.
    """
    present = head.first_values
    if b"via" in present and any(via in value for value in head.values(b"via")):
        raise LoopDetected("This request has already passed through this proxy.")
    removed = _NEVER_UPSTREAM
    if b"connection" in present:
        removed = _with_named(removed, head.values(b"connection"))
    first, last = _PREFIXED
    kept = [
        field
        for field in head.headers
        if field[0] not in removed and (not first < field[0] < last or _goes_upstream(field[0]))
    ]
    if b"te" in present and b"trailers" in _tokens(head.values(b"te")):
        kept.append((b"te", b"trailers"))
    kept.append((b"via", b"1.1 " + via))
    return kept


def handshake_headers(head: RequestHead, *, via: bytes) -> list[tuple[bytes, bytes]]:
    """As `request_headers`, for a WebSocket handshake."""
    kept = request_headers(head, via=via)
    return [field for field in kept if field[0] not in _HANDSHAKE]


def response_headers(
    headers: RawHeaders, *, status: int, is_head: bool = False
) -> list[tuple[bytes, bytes]]:
    """The fields of an answer that go downstream, names in lower case as ASGI wants them.

    An answer that by its status has no content (RFC 9110 section 6.4.1) loses
    its Content-Length, which would announce a body that never comes.
    """
    fields = [(name.lower(), value) for name, value in headers]
    names = dict(fields).keys()
    are_unique = len(names) == len(fields)
    removed = _HOP_BY_HOP
    if b"connection" in names:
        removed = _with_named(removed, [value for name, value in fields if name == b"connection"])
    if status in (204, 304) and not is_head:
        removed = removed | {b"content-length"}
    if not removed.isdisjoint(names):
        fields = [field for field in fields if field[0] not in removed]
    return fields if are_unique else _with_one_content_length(fields)


def accept_headers(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """As `response_headers`, for the upstream's consent to a WebSocket handshake."""
    kept = response_headers(headers, status=101)
    return [field for field in kept if field[0] not in _HANDSHAKE and field[0] not in _FRAMING]


def _with_one_content_length(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    first = next((at for at, field in enumerate(fields) if field[0] == b"content-length"), 0)
    return [
        field for at, field in enumerate(fields) if at == first or field[0] != b"content-length"
    ]


def _goes_upstream(name: bytes) -> bool:
    if name.startswith(_CONTROL_PREFIX):
        unknown, *known = [
            each[:_LONGEST_SHOWN].decode("latin-1").title() for each in (name, *_CONTROL)
        ]
        raise BadRequest(f"{unknown}: no such field; there are {', '.join(known)}.", param=unknown)
    return name in _GOOGLE_API_FIELDS or not name.startswith(_PLATFORM_PREFIXES)


def _with_named(removed: frozenset[bytes], connection: list[bytes]) -> frozenset[bytes]:
    """`removed` and the fields that Connection names, which mostly is Keep-Alive alone."""
    return removed if removed.issuperset(connection) else removed | _tokens(connection)


def _tokens(values: list[bytes]) -> set[bytes]:
    """The tokens that all values of a field list, in lower case (RFC 9110 section 5.6.1)."""
    return set(map(bytes.strip, b",".join(values).lower().split(b",")))
