"""What is removed together, and what goes first: the one part of removal that can be chosen."""

from collections.abc import Sequence
from functools import cache
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Final, Protocol

import regex
from attrs import frozen

from .units import Units

# Scripts that write words without spaces between them, and symbols that are words themselves.
_STANDS_ALONE = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
    r"\p{Extended_Pictographic}\p{Regional_Indicator}--[\x00-\x7F]]",
    regex.V1,
)
LONGEST_WORD = 16
"""How many units make a word at most, so that a line without spaces is not one word."""


class Strategy(Protocol):
    """Decides what a unit is and in which order units are kept; all else is common.

    Both answers may depend on the units alone, and on each unit's neighbours
    at most, or a text that grows would change what was kept of it before.
    """

    @property
    def name(self) -> str:
        """Part of the draw: another name draws another order."""
        ...

    def starts(self, units: Units) -> Sequence[int]:
        """The indices, 0 first, of the smallest units with which a larger one begins."""
        ...

    def order(self, units: Units, draws: Sequence[int]) -> list[int]:
        """The indices of a block's units, the first to keep first; `draws` are random 64-bit words."""
        ...


@frozen
class Uniform:
    """Every unit is as likely to go as any other."""

    name: str = "uniform"

    def starts(self, units: Units) -> Sequence[int]:
        return range(len(units))

    def order(self, units: Units, draws: Sequence[int]) -> list[int]:
        return sorted(range(len(units)), key=draws.__getitem__)


@frozen
class Words(Uniform):
    """As uniform, of whole words."""

    name: str = "words"

    def starts(self, units: Units) -> Sequence[int]:
        return word_starts(units)


@frozen
class Weighted(Words):
    """Whole words, and those that say little go first."""

    name: str = "weighted"

    def order(self, units: Units, draws: Sequence[int]) -> list[int]:
        ends = accumulate(units.sizes)
        words = [units.tokens[end - size : end] for end, size in zip(ends, units.sizes, strict=True)]
        keys = [
            (_minus_log2(draw) << 64) // _weight(text, word)
            for draw, text, word in zip(draws, units.texts, words, strict=True)
        ]
        return sorted(range(len(units)), key=keys.__getitem__)


BUILT_IN: Final = MappingProxyType(
    {strategy.name: strategy for strategy in (Uniform(), Words(), Weighted())}
)


def word_starts(units: Units) -> list[int]:
    """Where words begin: at white space, and around whatever is a word by itself."""
    alone = {text for text in set(units.texts) if _STANDS_ALONE.search(text)}
    starts = [0]
    for index, (before, text) in enumerate(pairwise(units.texts), 1):
        if (
            text[0].isspace()
            or text in alone
            or before in alone
            or index - starts[-1] == LONGEST_WORD
        ):
            starts.append(index)
    return starts


_POINT = 16
"""Binary digits behind the point of a logarithm."""


def _log2(number: int) -> int:
    """The logarithm of `number`, rounded down to 1/2**16, by squaring: the same on every machine."""
    whole = number.bit_length() - 1
    rest = number << 63 - whole if whole <= 63 else number >> whole - 63
    digits = 0
    for _ in range(_POINT):
        rest = rest * rest >> 63
        digits <<= 1
        if rest >> 64:
            rest >>= 1
            digits |= 1
    return (whole << _POINT) + digits


@cache
def _log2_of_eighth(top: int) -> int:
    return _log2(top)


def _minus_log2(draw: int) -> int:
    """-log2 of a random word as a share of 2**64, from its leading 12 bits below the first."""
    length = max(draw.bit_length(), 13)
    return (64 << _POINT) - _log2_of_eighth(draw >> length - 13 or 1) - (length - 13 << _POINT)


_UNIT = 1 << _POINT


def _weight(text: str, word: Sequence[int]) -> int:
    rank = max(word)
    value = _log2_of_eighth(rank + 2) + (2 * _UNIT if len(word) > 1 else 0)
    if any(character.isdigit() for character in text):
        value = 18 * _UNIT
    return max(value - 7 * _UNIT, 3 * _UNIT // 10) ** 3
