"""Compressing the user texts inside a request body, and nothing else of it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, Self

from attrs import frozen

from .compression import CompressedText, compress_text
from .json_spans import (
    DuplicateKey,
    LoneSurrogate,
    NotJson,
    Span,
    TooDeep,
    read_string,
    splice,
    write_string,
)
from .policy import CompressionPolicy
from .request_texts import (
    OtherEvent,
    RequestTexts,
    TextPlace,
    TooManyTexts,
    UnexpectedShape,
    texts_of_body,
    texts_of_frame,
)
from .tokenizer import Tokenizer

BodySkipReason = Literal[
    "content_encoding",  # The body is encoded, so its JSON is not there to see.
    "body_too_large",  # It is longer than the limit on what is held in memory.
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

TextLeftReason = Literal[
    "too_long",  # More bytes than the policy's `max_text_bytes`.
    "lone_surrogates",  # Not Unicode, so there is nothing to encode.
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


@frozen
class TextLeftAlone:
    """One text of a body that was not even looked into."""

    pointer: str
    role: str
    reason: TextLeftReason


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

    @classmethod
    def untouched(cls, reason: BodySkipReason, body: bytes = b"", model: str = "") -> Self:
        """A body no text of which was looked into; `body` is empty if it streams by."""
        return cls(body, model, encoding="", skipped=reason)

    @property
    def tokens_before(self) -> int:
        return sum(text.compressed.tokens_before for text in self.texts)

    @property
    def tokens_billed(self) -> int:
        return sum(text.compressed.tokens_billed for text in self.texts)

    @property
    def texts_compressed(self) -> int:
        return sum(text.compressed.skipped is None for text in self.texts)


class _Cancelled(Exception):
    """Nobody waits for the result any more."""


class _TooLong(ValueError):
    """A text is longer than the policy takes on."""


_BODY_REASONS: Mapping[type[Exception], BodySkipReason] = {
    NotJson: "not_json",
    TooDeep: "too_deep",
    DuplicateKey: "duplicate_keys",
    UnexpectedShape: "unexpected_shape",
    TooManyTexts: "too_many_texts",
    OtherEvent: "other_event",
    _Cancelled: "cancelled",
}
_TEXT_REASONS: Mapping[type[Exception], TextLeftReason] = {
    LoneSurrogate: "lone_surrogates",
    _TooLong: "too_long",
}
_LONGEST_ESCAPE = len(r"\u0041")


def _never() -> bool:
    return False


def compress_body(
    body: bytes,
    endpoint: str,
    policy: CompressionPolicy,
    tokenizer_for: Callable[[str], Tokenizer],
    *,
    is_cancelled: Callable[[], bool] = _never,
) -> CompressedBody:
    """Compress the texts of a request body as `policy` says. Never raises.

    `tokenizer_for` takes the model's name, empty if the body has none;
    `is_cancelled` is asked before each text.
    """
    return _compress(
        body,
        endpoint,
        lambda: texts_of_body(body, endpoint, policy.roles),
        policy=policy,
        tokenizer_for=tokenizer_for,
        is_cancelled=is_cancelled,
    )


def compress_frame(
    frame: bytes,
    policy: CompressionPolicy,
    tokenizer_for: Callable[[str], Tokenizer],
    *,
    is_cancelled: Callable[[], bool] = _never,
) -> CompressedBody:
    """As `compress_body`, for a text frame to the Responses API over a WebSocket.

    Only `response.create` events hold a request; all others pass untouched.
    """
    return _compress(
        frame,
        "responses",
        lambda: texts_of_frame(frame, policy.roles),
        policy=policy,
        tokenizer_for=tokenizer_for,
        is_cancelled=is_cancelled,
    )


def _compress(
    body: bytes,
    endpoint: str,
    find_texts: Callable[[], RequestTexts],
    *,
    policy: CompressionPolicy,
    tokenizer_for: Callable[[str], Tokenizer],
    is_cancelled: Callable[[], bool],
) -> CompressedBody:
    if endpoint not in policy.endpoints:
        return CompressedBody.untouched("endpoint_not_chosen", body)
    if not policy.keep_ratio.compresses:
        return CompressedBody.untouched("keep_all", body)
    try:
        request = find_texts()
        if not request.places:
            return CompressedBody.untouched("no_text", body, request.model)
        return _compress_texts(body, request, policy, tokenizer_for(request.model), is_cancelled)
    except tuple(_BODY_REASONS) as error:
        return CompressedBody.untouched(_BODY_REASONS[type(error)], body)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 a panic in a tokenizer's Rust is not an Exception
        return CompressedBody.untouched("failed", body)


def _compress_texts(
    body: bytes,
    request: RequestTexts,
    policy: CompressionPolicy,
    tokenizer: Tokenizer,
    is_cancelled: Callable[[], bool],
) -> CompressedBody:
    places = _while_wanted(request.places, is_cancelled)
    outcomes = [_compress_at(place, body, policy, tokenizer) for place in places]
    replacements = [
        (place.span, write_string(outcome.compressed.text))
        for place, outcome in zip(request.places, outcomes, strict=True)
        if isinstance(outcome, TextInBody) and outcome.compressed.text != outcome.original
    ]
    return CompressedBody(
        splice(body, replacements) if replacements else body,
        request.model,
        tokenizer.name,
        texts=tuple(outcome for outcome in outcomes if isinstance(outcome, TextInBody)),
        skipped=None if replacements else "no_text_shorter",
        left_alone=tuple(outcome for outcome in outcomes if isinstance(outcome, TextLeftAlone)),
    )


def _while_wanted(
    places: tuple[TextPlace, ...], is_cancelled: Callable[[], bool]
) -> Iterator[TextPlace]:
    for place in places:
        if is_cancelled():
            raise _Cancelled
        yield place


def _compress_at(
    place: TextPlace, body: bytes, policy: CompressionPolicy, tokenizer: Tokenizer
) -> TextInBody | TextLeftAlone:
    try:
        original = _read_text(body, place.span, policy.max_text_bytes)
    except tuple(_TEXT_REASONS) as error:
        return TextLeftAlone(place.pointer, place.role, _TEXT_REASONS[type(error)])
    compressed = compress_text(
        original,
        policy.keep_ratio,
        tokenizer,
        strategy=policy.strategy,
        salt=policy.salt,
        protect=policy.protect,
    )
    if compressed.tokens_before < policy.min_tokens:
        compressed = _as_it_was(original, compressed, "too_few_tokens")
    return TextInBody(place.pointer, place.role, original, compressed)


def _read_text(body: bytes, span: Span, max_bytes: int) -> str:
    # Looked at before it is decoded, which takes time and memory.
    if span.end - span.start - len('""') > max_bytes * _LONGEST_ESCAPE:
        raise _TooLong
    text = read_string(body, span)
    if len(text.encode()) > max_bytes:
        raise _TooLong
    return text


def _as_it_was(original: str, compressed: CompressedText, reason: str) -> CompressedText:
    tokens = compressed.tokens_before
    return CompressedText(
        text=original,
        tokens_before=tokens,
        tokens_kept=tokens,
        tokens_billed=tokens,
        keep_ratio=compressed.keep_ratio,
        strategy=compressed.strategy,
        skipped=reason,
    )
