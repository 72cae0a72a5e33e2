"""What is removed together, and what goes first: the one part of removal that can be chosen."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import accumulate, pairwise
from math import isqrt
from operator import mul
from types import MappingProxyType
from typing import Final, Protocol

from attrs import frozen

from .order import rising
from .units import Units
from .words import phrase_starts, says, word_starts


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
        del units
        return rising(draws)


@frozen
class Words(Uniform):
    """Every word is as likely to go as any other."""

    name: str = "words"

    def starts(self, units: Units) -> Sequence[int]:
        return word_starts(units)


@frozen
class Weighted:
    """Words that say little are more likely to go.

    This is weighted sampling without replacement (Efraimidis and Spirakis
    2006): a word of weight w is ordered by -log(u) / w for a random u.
    """

    name: str = "weighted"

    def starts(self, units: Units) -> Sequence[int]:
        return phrase_starts(units)

    def order(self, units: Units, draws: Sequence[int]) -> Sequence[int]:
        # The quotient of two integers is rounded alike on every machine.
        keys = [surprise(draw) / weight for draw, weight in zip(draws, weights(units), strict=True)]
        return sorted(range(len(units)), key=keys.__getitem__)


BUILT_IN: Final[Mapping[str, Strategy]] = MappingProxyType(
    {strategy.name: strategy for strategy in (Uniform(), Words(), Weighted())}
)


def strategy_named(name: str) -> Strategy:
    """The built-in strategy of that name. Raises UnknownStrategy if there is none."""
    if name not in BUILT_IN:
        raise UnknownStrategy(f"strategy: {name!r} is not one of {', '.join(BUILT_IN)}")
    return BUILT_IN[name]


def weights(units: Units) -> Iterable[int]:
    """How much each word says for what it costs: more if it is rare.

    Tokens are numbered in the order in which they were merged, so a token's
    number is nearly the rank of its frequency. A word of several tokens is
    rarer than each of them.
    """
    bits = map(int.bit_length, _rarest_tokens(units))
    return map(mul, map(says, units.texts), map(_rarity_for_its_cost, bits, units.sizes))


def _rarest_tokens(units: Units) -> Sequence[int]:
    tokens = units.tokens
    if units.are_single_tokens:
        return tokens
    ends = accumulate(units.sizes)
    return [
        tokens[end - 1] if size == 1 else max(tokens[end - size : end])
        for size, end in zip(units.sizes, ends, strict=True)
    ]


@cache
def _rarity_for_its_cost(bits: int, cost: int) -> int:
    """The third power of: the square of the rarity over the root of the cost."""
    rarity = bits + (3 if cost > 1 else 1)
    return max(1, (rarity**6 << 8) // isqrt(cost**3 << 16))


def surprise(draw: int) -> int:
    """-log2 of a random 64-bit number as a share of 2**64, with 16 digits behind the point."""
    entry = draw >> 54
    return _SURPRISES[entry] - (_FALLS[entry] * (draw & _REST) >> 54)


def _log2(number: int) -> int:
    """The binary logarithm with 16 digits behind the point, rounded down; by squaring."""
    logarithm = number.bit_length() - 1
    mantissa = number << 63 - logarithm
    for _ in range(16):
        mantissa = mantissa * mantissa >> 63
        digit = mantissa >> 64
        mantissa >>= digit
        logarithm = logarithm << 1 | digit
    return logarithm


# -log2 of 0/1024, as if it were 1/65536, then of 1/1024 and so on to 1024/1024.
_SURPRISES = (16 << 16, *((10 << 16) - _log2(number) for number in range(1, 1025)))
_FALLS = [here - there for here, there in pairwise(_SURPRISES)]
_REST = (1 << 54) - 1
