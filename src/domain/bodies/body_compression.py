"""Compressing the user texts inside a request body, and nothing else of it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from attrs import evolve, frozen

from ..compression.fit import fit_text
from ..compression.keep_ratio import KEEP_ALL
from ..compression.text import CompressedText, compress_text
from ..compression.tokenizer import Tokenizer
from ..control.policy import CompressionPolicy, Treatment
from ..control.rules import SAYS_NOTHING, TextFacts
from .cancellation import Cancelled, Check, CheckedTokenizer, never_cancelled
from .compressed_body import (
    BodySkipReason,
    CompressedBody,
    TextInBody,
    TextLeftAlone,
    TextLeftReason,
)
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


class _TooLong(ValueError):
    """A text is longer than the policy takes on."""


BODY_REASONS: Mapping[type[BaseException], BodySkipReason] = {
    NotJson: "not_json",
    TooDeep: "too_deep",
    DuplicateKey: "duplicate_keys",
    UnexpectedShape: "unexpected_shape",
    TooManyTexts: "too_many_texts",
    OtherEvent: "other_event",
    Cancelled: "cancelled",
}
"""What may be found wrong with a body, and how the reason is called."""

_TEXT_REASONS: Mapping[type[Exception], TextLeftReason] = {
    LoneSurrogate: "lone_surrogates",
    _TooLong: "too_long",
}
_LONGEST_ESCAPE = len(r"\u0041")


def compress_body(
    body: bytes,
    endpoint: str,
    policy: CompressionPolicy,
    tokenizer_for: Callable[[str], Tokenizer],
    *,
    check: Check = never_cancelled,
) -> CompressedBody:
    """Compress the texts of a request body as `policy` says. Never raises.

    `tokenizer_for` takes the model's name, empty if the body has none. What
    `check` raises as Cancelled ends the work.
    """
    return _compress(
        body,
        endpoint,
        lambda: texts_of_body(body, endpoint, policy.roles_at(endpoint), check),
        policy=policy,
        tokenizer_for=tokenizer_for,
        check=check,
    )


def compress_frame(
    frame: bytes,
    policy: CompressionPolicy,
    tokenizer_for: Callable[[str], Tokenizer],
    *,
    check: Check = never_cancelled,
) -> CompressedBody:
    """As `compress_body`, for a text frame to the Responses API over a WebSocket.

    Only `response.create` events hold a request; all others pass untouched.
    """
    return _compress(
        frame,
        "responses",
        lambda: texts_of_frame(frame, policy.roles_at("responses"), check),
        policy=policy,
        tokenizer_for=tokenizer_for,
        check=check,
    )


def _compress(
    body: bytes,
    endpoint: str,
    find_texts: Callable[[], RequestTexts],
    *,
    policy: CompressionPolicy,
    tokenizer_for: Callable[[str], Tokenizer],
    check: Check,
) -> CompressedBody:
    if not policy.covers(endpoint):
        return CompressedBody.untouched(_why_not_covered(policy, endpoint), body)
    try:
        request = find_texts()
        if not request.places:
            return CompressedBody.untouched("no_text", body, request.model)
        tokenizer = CheckedTokenizer(tokenizer_for(request.model), check)
        work = _Work(body, endpoint, request.model, policy, tokenizer)
        return _compress_texts(request.places, work)
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


def _compress_texts(places: tuple[TextPlace, ...], work: _Work) -> CompressedBody:
    outcomes = [_compress_at(place, work) for place in places]
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
