"""How much of a text to keep: the keep ratio, and the two settings that name it.

`TOKENS_TO_KEEP_RATIO` below 1 wins; otherwise `COMPRESSION_RATIO` applies as
its inverse. Numbers are read as written, so 3 keeps exactly one third.
"""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Self

from attrs import field, frozen

Number = str | int | float | Fraction

COMPRESSION_RATIO_RANGE = "a finite number of at least 1.0"
TOKENS_TO_KEEP_RATIO_RANGE = "a number above 0 and at most 1"

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST_NUMBER = 64


@frozen
class RatioNames:
    """What the two ratios are called where a user wrote them."""

    compression_ratio: str
    tokens_to_keep_ratio: str


SETTING_NAMES = RatioNames("COMPRESSION_RATIO", "TOKENS_TO_KEEP_RATIO")


class InvalidRatio(ValueError):
    """A ratio outside its range; the message names the setting, the value and the range."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name
        """What the ratio is called where the user wrote it."""


def _check_share(_: object, __: object, share: Fraction) -> None:
    if not 0 < share <= 1:
        raise InvalidRatio(f"keep ratio: {share} is out of range; it must be above 0 and at most 1")


@frozen(order=True)
class KeepRatio:
    """The share of a text's tokens to keep: an exact rational above 0 and at most 1."""

    share: Fraction = field(validator=_check_share)

    @property
    def compresses(self) -> bool:
        """Whether anything is to be removed at all."""
        return self.share != 1

    @classmethod
    def from_compression_ratio(cls, value: Number, names: RatioNames = SETTING_NAMES) -> Self:
        """Keep one token in `value`: 2 keeps a half, 4 a quarter.

        Raises InvalidRatio unless `value` is finite and at least 1.

        >>> KeepRatio.from_compression_ratio("3")
        KeepRatio(share=Fraction(1, 3))
        """
        name, keep_name = names.compression_ratio, names.tokens_to_keep_ratio
        ratio = _read_number(name, value, COMPRESSION_RATIO_RANGE)
        if ratio < 1:
            hint = f"; to keep that share, set {keep_name}={value}" if ratio > 0 else ""
            raise InvalidRatio(
                f"{name}: {_shown(value)} is below 1.0; it must be {COMPRESSION_RATIO_RANGE}{hint}",
                name,
            )
        return cls(1 / ratio)

    @classmethod
    def from_tokens_to_keep_ratio(cls, value: Number, names: RatioNames = SETTING_NAMES) -> Self:
        """Keep the share `value`.

        Raises InvalidRatio unless `value` is above 0 and at most 1.

        >>> KeepRatio.from_tokens_to_keep_ratio(0.7)
        KeepRatio(share=Fraction(7, 10))
        """
        name = names.tokens_to_keep_ratio
        share = _read_number(name, value, TOKENS_TO_KEEP_RATIO_RANGE)
        if not 0 < share <= 1:
            raise InvalidRatio(
                f"{name}: {_shown(value)} is out of range; it must be {TOKENS_TO_KEEP_RATIO_RANGE}",
                name,
            )
        return cls(share)


KEEP_ALL = KeepRatio(Fraction(1))


def resolve_keep_ratio(
    compression_ratio: Number | None = None,
    tokens_to_keep_ratio: Number | None = None,
    *,
    names: RatioNames = SETTING_NAMES,
) -> KeepRatio:
    """The keep ratio that the two settings mean together; None or "" means unset.

    Raises InvalidRatio if either is out of range, even one that the other overrules.

    >>> resolve_keep_ratio(compression_ratio="2.0", tokens_to_keep_ratio="1.0")
    KeepRatio(share=Fraction(1, 2))
    >>> resolve_keep_ratio(compression_ratio="2.0", tokens_to_keep_ratio="0.7")
    KeepRatio(share=Fraction(7, 10))
    """
    inverse = share = KEEP_ALL
    if compression_ratio is not None and compression_ratio != "":
        inverse = KeepRatio.from_compression_ratio(compression_ratio, names)
    if tokens_to_keep_ratio is not None and tokens_to_keep_ratio != "":
        share = KeepRatio.from_tokens_to_keep_ratio(tokens_to_keep_ratio, names)
    return share if share.compresses else inverse


def _read_number(name: str, value: Number, allowed: str) -> Fraction:
    if isinstance(value, Fraction):
        return value
    # A float is read as it is printed: 0.7 means seven tenths, not its binary neighbour.
    text = str(value).strip()
    if len(text) > _LONGEST_NUMBER or not _DECIMAL.fullmatch(text):
        raise InvalidRatio(f"{name}: {_shown(value)} is not a number; it must be {allowed}", name)
    return Fraction(Decimal(text))


def _shown(value: Number) -> str:
    text = str(value)
    shown = text if len(text) <= _LONGEST_NUMBER else f"{text[:_LONGEST_NUMBER]}..."
    return shown if shown.isprintable() else ascii(shown)
