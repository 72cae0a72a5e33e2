"""Which trace a request belongs to, as its header fields say it.

A field that breaks the rules of its format names no trace: what a log repeats
under the name of a trace must not be a caller's own words.
"""

import re

_CLOUD_TRACE_CONTEXT = re.compile(rb"([0-9A-Fa-f]{32})(?:/[0-9]{1,20})?(?:;o=[0-9]+)?")

# W3C Trace Context section 3.2.2. Version 00 ends after the flags; a later one
# may go on after another dash, and ff will never be one (section 3.2.2.1).
_TRACEPARENT = re.compile(
    rb"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-[0-9a-f]{2}"
    rb"(?P<more>-.*)?",
    re.DOTALL,
)


def trace_id(x_cloud_trace_context: bytes | None, traceparent: bytes | None) -> str | None:
    """The trace's 32 hexadecimal digits in lower case, or None if neither field is well formed.

    The platform's own field comes first, since its request log goes by it.

    >>> trace_id(b"105445AA7843BC8BF206B12000100000/1;o=1", None)
    '105445aa7843bc8bf206b12000100000'
    >>> trace_id(None, b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    '4bf92f3577b34da6a3ce929d0e0e4736'
    """
    return _from_cloud_trace_context(x_cloud_trace_context) or _from_traceparent(traceparent)


def _from_cloud_trace_context(value: bytes | None) -> str | None:
    match = _CLOUD_TRACE_CONTEXT.fullmatch(value) if value else None
    return _nonzero(match[1].lower()) if match else None


def _from_traceparent(value: bytes | None) -> str | None:
    match = _TRACEPARENT.fullmatch(value) if value else None
    if match is None or not _nonzero(match["parent"]):
        return None
    if match["version"] == b"00" and match["more"] is not None:
        return None
    return _nonzero(match["trace"])


def _nonzero(digits: bytes) -> str | None:
    """An id of zeros only is not one."""
    return digits.decode() if digits.strip(b"0") else None
