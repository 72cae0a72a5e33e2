"""What is removed together, and what goes first: the one part of removal that can be chosen."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import accumulate, pairwise
from math import isqrt
from types import MappingProxyType
from typing import Final, Protocol

import regex
from attrs import frozen

from .units import Units

LONGEST_WORD = 16
"""How many units make a word at most, so that a line without spaces is not one word."""

# Scripts that are written without spaces, and symbols that are words by themselves.
_STANDS_ALONE = regex.compile(
    r"[[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
    r"\p{Extended_Pictographic}\p{Regional_Indicator}]--[\x00-\x7F]]",
    regex.V1,
)


class UnknownStrategy(ValueError):
    """A name that is not one of a built-in strategy."""


class Strategy(Protocol):
    """Decides what a unit is and in which order units are kept; all else is common.

    Both answers must follow from their arguments alone, and whether a unit
    begins must not depend on text far behind it: otherwise a text that grows
    changes what was kept of it before.
    """

    @property
    def name(self) -> str:
        """Part of the draw: a strategy of another name draws otherwise."""
        ...

    def starts(self, units: Units) -> Sequence[int]:
        """With which of a text's smallest units a larger one begins: rising, from 0."""
        ...

    def order(self, units: Units, draws: Sequence[int]) -> Sequence[int]:
        """The index of each unit of a block once, that of the first to keep first.

        `draws` holds a random 64-bit number for each unit.
        """
        ...


@frozen
class Uniform:
    """Every unit is as likely to go as any other."""

    name: str = "uniform"

    def starts(self, units: Units) -> Sequence[int]:
        return range(len(units))

    def order(self, units: Units, draws: Sequence[int]) -> Sequence[int]:
        # Doubles compare faster than integers of 64 bits.
        return sorted(range(len(units)), key=[*map(float, draws)].__getitem__)


@frozen
class Words(Uniform):
    """Every word is as likely to go as any other."""

    name: str = "words"

    def starts(self, units: Units) -> Sequence[int]:
        return word_starts(units)


@frozen
class Weighted(Words):
    """Words that say little are more likely to go.

    This is weighted sampling without replacement (Efraimidis and Spirakis
    2006): a word of weight w is ordered by -log(u) / w for a random u.
    """

    name: str = "weighted"

    def order(self, units: Units, draws: Sequence[int]) -> Sequence[int]:
        occurrences = Counter(units.texts)
        ends = accumulate(units.sizes)
        keys = [
            (surprise(draw) << 64)
            // weight(text, units.tokens[end - size : end], occurrences[text])
            for draw, text, end, size in zip(draws, units.texts, ends, units.sizes, strict=True)
        ]
        return sorted(range(len(units)), key=keys.__getitem__)


BUILT_IN: Final[Mapping[str, Strategy]] = MappingProxyType(
    {strategy.name: strategy for strategy in (Uniform(), Words(), Weighted())}
)


def strategy_named(name: str) -> Strategy:
    """The built-in strategy of that name. Raises UnknownStrategy if there is none."""
    if name not in BUILT_IN:
        raise UnknownStrategy(f"strategy: {name!r} is not one of {', '.join(BUILT_IN)}")
    return BUILT_IN[name]


def word_starts(units: Units) -> Sequence[int]:
    """Where words begin: at white space, and before and after what is a word by itself."""
    distinct = set(units.texts)
    signs = frozenset(_STANDS_ALONE.findall("".join(distinct)))
    alone = {text for text in distinct if not signs.isdisjoint(text)}
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


_POINT = 8
"""Binary digits behind the point of all logarithms below."""
_ONE = 1 << _POINT

_DIGIT = re.compile(r"\d")
_SAYS_NOTHING = 7 * _ONE
_SAYS_LITTLE = 3 * _ONE // 10
_SAYS_MUCH = 22 * _ONE


def weight(text: str, word: Sequence[int], occurrences: int) -> int:
    """How much a word says for each of its tokens: more if it is rare, or holds a digit.

    Tokens are numbered in the order in which they were merged, so a token's
    number is nearly the rank of its frequency. A word of several tokens is
    rarer than each of them, and one that the block repeats says less each time.
    """
    if _DIGIT.search(text):
        value = _SAYS_MUCH
    else:
        rarity = _log2(max(word) + 2) + (2 * _ONE if len(word) > 1 else 0)
        value = rarity - 2 * _log2(occurrences)
    return _weight_of(value, len(word))


@cache
def _weight_of(value: int, cost: int) -> int:
    """The fourth power of the value, over the root of the cost (16 is that of 256)."""
    return 16 * max(value - _SAYS_NOTHING, _SAYS_LITTLE) ** 4 // isqrt(256 * cost)


def surprise(draw: int) -> int:
    """-log2 of a random 64-bit number as a share of 2**64, with 16 digits behind the point."""
    table = _surprises()
    entry, rest = draw >> 54, draw & (1 << 54) - 1
    return table[entry] - ((table[entry] - table[entry + 1]) * rest >> 54)


@cache
def _surprises() -> Sequence[int]:
    """-log2 of 0/1024, as if it were 1/65536, then of 1/1024 and so on to 1024/1024."""
    one = 1 << 16
    return (16 * one, *(10 * one - _log2(number, 16) for number in range(1, 1025)))


@cache
def _log2(number: int, digits: int = _POINT) -> int:
    """The binary logarithm to so many digits behind the point, rounded down; by squaring."""
    logarithm = number.bit_length() - 1
    mantissa = number << 63 - logarithm
    for _ in range(digits):
        mantissa = mantissa * mantissa >> 63
        digit = mantissa >> 64
        mantissa >>= digit
        logarithm = logarithm << 1 | digit
    return logarithm
