"""Removing random tokens from a text until a given share of them is left."""

from attrs import field, frozen

from .blocks import ALGORITHM, Choice, blocks_of, cut, draws_of, first_link, next_link, target_of
from .keep_ratio import KeepRatio
from .tokenizer import Tokenizer
from .strategies import BUILT_IN, Strategy
from .units import encode, smallest_units

__all__ = ["ALGORITHM", "CompressedText", "compress_text"]


@frozen
class CompressedText:
    """What became of a text.

    Counts are tokens of the text's encoding: `tokens_before` of the original,
    `tokens_kept` the tokens of the original that were kept, and `tokens_billed`
    those of `text` encoded again, which is what the provider bills.
    """

    text: str
    tokens_before: int
    tokens_kept: int
    tokens_billed: int
    keep_ratio: KeepRatio
    strategy: str
    skipped: str | None = None
    """Why the text is the original, unchanged; None if it is not."""
    choices: tuple[Choice, ...] = field(default=(), eq=False, repr=False)


def compress_text(
    text: str,
    keep_ratio: KeepRatio,
    tokenizer: Tokenizer,
    *,
    strategy: str | Strategy = "uniform",
    salt: bytes = b"",
    protect: frozenset[str] = frozenset(),
) -> CompressedText:
    """Remove tokens of `text` until `keep_ratio` of them is billed. Never raises."""
    method = BUILT_IN[strategy] if isinstance(strategy, str) else strategy

    def original(reason: str, tokens: int = 0) -> CompressedText:
        return CompressedText(text, tokens, tokens, tokens, keep_ratio, method.name, reason)

    try:
        text.encode()
    except UnicodeEncodeError:
        return original("lone_surrogates")
    try:
        tokens = encode(text, tokenizer)
    except Exception:  # noqa: BLE001 whatever a tokenizer fails with, the text is sent as it is
        return original("tokenizer_failed")
    if not keep_ratio.compresses:
        return original("keep_all", len(tokens))
    if len(tokens) <= 1:
        return original("one_token", len(tokens))
    smallest = smallest_units(tokens, tokenizer)
    units = smallest.joined(method.starts(smallest))
    link = first_link(tokenizer, method, salt)
    choices: list[Choice] = []
    kept_tokens = 0
    for block in blocks_of(units):
        link = next_link(link, "".join(block.texts))
        first = not choices
        target = target_of(len(block.tokens), keep_ratio.share, link, first=first)
        order = method.order(block, draws_of(link, len(block)))
        mask, _ = cut(block, order, 1 if first else 0, target, tokenizer)
        kept_tokens += sum(size for size, keep in zip(block.sizes, mask, strict=True) if keep)
        choices.append(Choice(block.texts, mask))
    result = "".join(choice.text for choice in choices)
    billed = len(encode(result, tokenizer))
    if not result.strip():
        return original("blank", len(tokens))
    if billed >= len(tokens):
        return original("not_smaller", len(tokens))
    return CompressedText(
        result, len(tokens), kept_tokens, billed, keep_ratio, method.name, choices=tuple(choices)
    )
