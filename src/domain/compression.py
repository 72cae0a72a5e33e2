"""Removing random tokens from a text until a given share of them is left."""

from attrs import frozen

from .keep_ratio import KeepRatio


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
