"""Compressing a text only as far as it takes to come under a limit.

What is billed for a keep ratio is known only once the text is cut. So the
target is tried first, and lowered by what was too much, until it is met. All
of it depends on the text and the limit alone.
"""

from fractions import Fraction

from attrs import evolve

from .keep_ratio import KEEP_ALL, KeepRatio
from .strategies import Strategy
from .text import CompressedText, compress_text
from .tokenizer import Tokenizer


def fit_text(
    text: str,
    target_tokens: int,
    tokenizer: Tokenizer,
    *,
    strategy: str | Strategy = "uniform",
    salt: bytes = b"",
    protect: frozenset[str] = frozenset(),
) -> CompressedText:
    """Compress `text` until at most `target_tokens` are billed for it.

    As `compress_text`, with two reasons more to give back the original: it
    fits as it is, or even its least form does not (target_not_met).
    """
    whole = compress_text(text, KEEP_ALL, tokenizer, strategy=strategy)
    if whole.skipped != "keep_all":
        return whole
    if whole.tokens_before <= target_tokens:
        return evolve(whole, skipped="fits")
    wanted = KeepRatio(Fraction(target_tokens, whole.tokens_before))
    attempt, step = target_tokens, 0
    while attempt > 0:
        made = compress_text(
            text,
            KeepRatio(Fraction(attempt, whole.tokens_before)),
            tokenizer,
            strategy=strategy,
            salt=salt,
            protect=protect,
        )
        if made.skipped is None and made.tokens_billed <= target_tokens:
            return evolve(made, keep_ratio=wanted)
        too_many = 1 if made.skipped else made.tokens_billed - target_tokens
        # At least doubled, so that a text which resists costs few attempts.
        step = max(too_many, 2 * step)
        attempt -= step
    return evolve(whole, keep_ratio=wanted, skipped="target_not_met")
