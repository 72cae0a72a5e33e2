"""What became of a request body: each of its texts, and why what stayed did."""

from typing import Literal, Self

from attrs import frozen

from ..compression.encodings import encoding_of_model
from ..compression.text import CompressedText

BodySkipReason = Literal[
    "content_encoding",  # The body is encoded, so its JSON is not there to see.
    "digest",  # A digest of the body came with it, which a change would make untrue.
    "body_too_large",  # It is longer than the limit on what is held in memory.
    "off",  # Compression is switched off.
    "endpoint_not_chosen",  # The policy leaves this endpoint alone.
    "keep_all",  # The keep ratio is 1.
    "not_json",  # Not as RFC 8259 has it, or with a key or number of more than 64 KiB.
    "too_deep",  # Nested deeper than the walk goes.
    "too_many_texts",  # More than anyone writes: see MOST_TEXTS.
    "duplicate_keys",  # On the way to a text, or `model`: which one counts is unclear.
    "unexpected_shape",  # Not an object, or `model` is no name.
    "other_event",  # A WebSocket frame that asks for no response.
    "no_text",  # No text of the chosen roles.
    "no_text_shorter",  # All of them stayed as they were, each for its own reason.
    "cancelled",  # Nobody waits for it any more.
    "failed",  # Something went wrong that should not have.
]
"""Why a body is the original, unchanged."""

BodyStatus = Literal["applied", "shadow", "skipped"]

TextLeftReason = Literal[
    "too_long",  # More bytes than the policy's `max_text_bytes`.
    "lone_surrogates",  # Not Unicode, so there is nothing to encode.
    "left_by_rule",  # The rule that takes it says so.
]
"""Why a text was not even looked into."""


@frozen
class TextInBody:
    """One text of a body, where it stood, and what became of it."""

    pointer: str
    """Where it stands, as a JSON Pointer (RFC 6901): `/messages/0/content`."""
    role: str
    original: str
    compressed: CompressedText
    rule: str | None = None
    """The name of the rule that took it, if one did."""


@frozen
class TextLeftAlone:
    """One text of a body that was not even looked into."""

    pointer: str
    role: str
    reason: TextLeftReason
    rule: str | None = None


@frozen
class CompressedBody:
    """A request body with its chosen texts replaced; all other bytes as they were."""

    body: bytes
    model: str
    """As the body names it; empty if it does not, or nobody looked."""
    encoding: str
    texts: tuple[TextInBody, ...] = ()
    skipped: BodySkipReason | None = None
    """Why the body is the original, unchanged; None if it is not."""
    left_alone: tuple[TextLeftAlone, ...] = ()
    is_shadow: bool = False
    """Whether the body is the original although the texts got shorter."""
    failure: str | None = None
    """The type of what went wrong where `skipped` is `failed`; its text might quote the body."""

    @classmethod
    def untouched(cls, reason: BodySkipReason, body: bytes = b"", model: str = "") -> Self:
        """A body no text of which was looked into; `body` is empty if it streams by."""
        return cls(body, model, encoding="", skipped=reason)

    @property
    def encoding_assumed(self) -> bool:
        """Whether the model is not one whose encoding is known."""
        return bool(self.encoding) and encoding_of_model(self.model).assumed

    @property
    def status(self) -> BodyStatus:
        """What became of the texts in one word."""
        if self.skipped is not None:
            return "skipped"
        return "shadow" if self.is_shadow else "applied"

    @property
    def tokens_before(self) -> int:
        return sum(text.compressed.tokens_before for text in self.texts)

    @property
    def tokens_billed(self) -> int:
        return sum(text.compressed.tokens_billed for text in self.texts)

    @property
    def text_count(self) -> int:
        return len(self.texts)

    @property
    def texts_compressed(self) -> int:
        return sum(text.compressed.skipped is None for text in self.texts)
