"""Compressing the user texts inside a request body, and nothing else of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, Self

from attrs import evolve, frozen

from ..compression.encodings import encoding_of_model
from ..compression.fit import fit_text
from ..compression.keep_ratio import KEEP_ALL
from ..compression.text import CompressedText, compress_text
from ..compression.tokenizer import Tokenizer
from ..control.policy import CompressionPolicy, Treatment
from ..control.rules import SAYS_NOTHING, TextFacts
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
from .request_texts import (
    OtherEvent,
    RequestTexts,
    TextPlace,
    TooManyTexts,
    UnexpectedShape,
    texts_of_body,
    texts_of_frame,
)

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


class _Cancelled(Exception):
    """Nobody waits for the result any more."""


class _TooLong(ValueError):
    """A text is longer than the policy takes on."""


BODY_REASONS: Mapping[type[Exception], BodySkipReason] = {
    NotJson: "not_json",
    TooDeep: "too_deep",
    DuplicateKey: "duplicate_keys",
    UnexpectedShape: "unexpected_shape",
    TooManyTexts: "too_many_texts",
    OtherEvent: "other_event",
    _Cancelled: "cancelled",
}
"""What may be found wrong with a body, and how the reason is called."""

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
        lambda: texts_of_body(body, endpoint, policy.roles_at(endpoint)),
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
        lambda: texts_of_frame(frame, policy.roles_at("responses")),
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
    if not policy.covers(endpoint):
        return CompressedBody.untouched(_why_not_covered(policy, endpoint), body)
    try:
        request = find_texts()
        if not request.places:
            return CompressedBody.untouched("no_text", body, request.model)
        work = _Work(body, endpoint, request.model, policy, tokenizer_for(request.model))
        return _compress_texts(request.places, work, is_cancelled)
    except tuple(BODY_REASONS) as error:
        return CompressedBody.untouched(BODY_REASONS[type(error)], body)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 a panic in a tokenizer's Rust is no Exception
        return evolve(CompressedBody.untouched("failed", body), failure=type(error).__name__)


def _why_not_covered(policy: CompressionPolicy, endpoint: str) -> BodySkipReason:
    if policy.mode == "off":
        return "off"
    return "keep_all" if policy.roles_at(endpoint) else "endpoint_not_chosen"


@frozen
class _Work:
    """What the texts of a body have in common."""

    body: bytes
    endpoint: str
    model: str
    policy: CompressionPolicy
    tokenizer: Tokenizer


def _compress_texts(
    places: tuple[TextPlace, ...], work: _Work, is_cancelled: Callable[[], bool]
) -> CompressedBody:
    outcomes = [_compress_at(place, work) for place in _while_wanted(places, is_cancelled)]
    replacements = [
        (place.span, write_string(outcome.compressed.text))
        for place, outcome in zip(places, outcomes, strict=True)
        if isinstance(outcome, TextInBody) and outcome.compressed.text != outcome.original
    ]
    is_shadow = work.policy.mode == "shadow"
    return CompressedBody(
        splice(work.body, replacements) if replacements and not is_shadow else work.body,
        work.model,
        work.tokenizer.name,
        texts=tuple(outcome for outcome in outcomes if isinstance(outcome, TextInBody)),
        skipped=_why_unchanged(outcomes, changed=bool(replacements)),
        left_alone=tuple(outcome for outcome in outcomes if isinstance(outcome, TextLeftAlone)),
        is_shadow=is_shadow and bool(replacements),
    )


def _why_unchanged(
    outcomes: Sequence[TextInBody | TextLeftAlone | None], *, changed: bool
) -> BodySkipReason | None:
    if changed:
        return None
    return "no_text_shorter" if any(outcomes) else "no_text"


def _while_wanted(
    places: tuple[TextPlace, ...], is_cancelled: Callable[[], bool]
) -> Iterator[TextPlace]:
    for place in places:
        if is_cancelled():
            raise _Cancelled
        yield place


def _compress_at(place: TextPlace, work: _Work) -> TextInBody | TextLeftAlone | None:
    """Do to a text what the policy says; None if it is not one of those to compress."""
    policy = work.policy
    try:
        original = _read_text(work.body, place.span, policy.max_text_bytes)
    except tuple(_TEXT_REASONS) as error:
        return TextLeftAlone(place.pointer, place.role, _TEXT_REASONS[type(error)])
    text = _facts_of(original, place, work)
    rule = policy.rules.first_match(text)
    if rule is None and not policy.chooses(text):
        return None
    name, instruction = (None, SAYS_NOTHING) if rule is None else (rule.name, rule.then)
    if not instruction.compress:
        return TextLeftAlone(place.pointer, place.role, "left_by_rule", name)
    compressed = _treat(original, policy.treatment(instruction), policy.salt, work.tokenizer)
    if compressed.tokens_before < policy.min_tokens:
        compressed = _as_it_was(original, compressed, "too_few_tokens")
    return TextInBody(place.pointer, place.role, original, compressed, name)


def _facts_of(original: str, place: TextPlace, work: _Work) -> TextFacts:
    tokens = 0
    if work.policy.rules.ask_for_tokens:
        tokens = compress_text(original, KEEP_ALL, work.tokenizer).tokens_before
    return TextFacts(work.endpoint, work.model, place.role, place.turn, tokens)


def _treat(
    original: str, treatment: Treatment, salt: bytes, tokenizer: Tokenizer
) -> CompressedText:
    compress: Callable[..., CompressedText] = partial(
        compress_text, keep_ratio=treatment.keep_ratio
    )
    if treatment.target_tokens is not None:
        compress = partial(fit_text, target_tokens=treatment.target_tokens)
    return compress(
        original,
        tokenizer=tokenizer,
        strategy=treatment.strategy,
        salt=salt,
        protect=treatment.protect,
    )


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
