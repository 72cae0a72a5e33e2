"""Compressing the user texts inside a request body, and nothing else of it."""

from attrs import frozen

from .compression import CompressedText


@frozen
class TextInBody:
    """One text of a body, where it stood, and what became of it."""

    pointer: str
    """Where it stands, as a JSON Pointer (RFC 6901): `/messages/0/content`."""
    role: str
    original: str
    compressed: CompressedText


@frozen
class CompressedBody:
    """A request body with its chosen texts replaced; all other bytes as they were."""

    body: bytes
    model: str
    encoding: str
    texts: tuple[TextInBody, ...] = ()
    skipped: str | None = None
    """Why the body is the original, unchanged; None if it is not."""
