"""Which rule takes which text of a request, and why those before it do not."""

from collections.abc import Callable

from attrs import frozen

from ..compression.keep_ratio import KEEP_ALL
from ..compression.text import compress_text
from ..compression.tokenizer import Tokenizer
from ..control.policy import ROLES, CompressionPolicy
from ..control.rules import Rule, TextFacts
from .json_spans import LoneSurrogate, read_string
from .request_texts import TextPlace, texts_of_body


@frozen
class PassedOver:
    """A rule that does not take a text, and its first reason."""

    rule: Rule
    reason: str


@frozen
class Verdict:
    """What the rules say about one text."""

    pointer: str
    facts: TextFacts
    passed_over: tuple[PassedOver, ...]
    rule: Rule | None
    """The one that takes it."""
    is_chosen: bool
    """Whether it may be compressed: a rule takes it, or the settings choose it."""


def verdicts(
    body: bytes,
    endpoint: str,
    policy: CompressionPolicy,
    tokenizer_for: Callable[[str], Tokenizer],
) -> list[Verdict]:
    """The verdict on each text of a request, whoever wrote it. Raises as `texts_of_body`."""
    request = texts_of_body(body, endpoint, frozenset(ROLES))
    tokenizer = tokenizer_for(request.model)
    return [
        _verdict(
            place,
            TextFacts(
                endpoint,
                request.model,
                place.role,
                place.turn,
                _tokens_at(place, body, tokenizer),
            ),
            policy,
        )
        for place in request.places
    ]


def _tokens_at(place: TextPlace, body: bytes, tokenizer: Tokenizer) -> int:
    try:
        return compress_text(read_string(body, place.span), KEEP_ALL, tokenizer).tokens_before
    except LoneSurrogate:
        return 0


def _verdict(place: TextPlace, facts: TextFacts, policy: CompressionPolicy) -> Verdict:
    passed_over: list[PassedOver] = []
    taker: Rule | None = None
    for rule in policy.rules.rules:
        reason = rule.when.why_not(facts)
        if reason is None:
            taker = rule
            break
        passed_over.append(PassedOver(rule, reason))
    chosen = policy.chooses(facts) if taker is None else taker.then.compress
    return Verdict(place.pointer, facts, tuple(passed_over), taker, chosen)
