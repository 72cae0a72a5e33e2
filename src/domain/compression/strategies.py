"""What is removed together, and what goes first: the one part of removal that can be chosen."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Final, Protocol

from attrs import frozen

from .order import rising
from .units import Units
from .words import CONTENT, phrase_starts, says, word_starts

_LARGEST_LEAD: Final = 6


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
        drawn = zip(surprises(draws), weights(units), strict=True)
        keys = [surprise / weight for surprise, weight in drawn]
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

    Of words that say little those at the beginning weigh more. No fact is lost
    by that, and embeddings go by how a text begins.
    """
    bits = map(int.bit_length, _rarest_tokens(units))
    rarities = map(_rarity_for_its_cost, bits, units.sizes)
    leads = _leads(len(units))
    return [
        said * rarity << lead if said < CONTENT else said * rarity
        for said, rarity, lead in zip(map(says, units.texts), rarities, leads, strict=True)
    ]


def _leads(count: int) -> Sequence[int]:
    """How often a weight is doubled: most at the beginning, in the end not at all."""
    steps = _LARGEST_LEAD + 1
    return [steps * behind // count for behind in range(count - 1, -1, -1)]


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
    """The third power of the rarity over the square of the cost."""
    rarity = bits + (3 if cost > 1 else 1)
    return max(1, (rarity**3 << 8) // cost**2)


def surprises(draws: Iterable[int]) -> Sequence[int]:
    """-log2 of random 64-bit numbers as shares of 2**64, with 16 digits behind the point."""
    return [_SURPRISES[draw >> 54] - (_FALLS[draw >> 54] * (draw & _REST) >> 54) for draw in draws]


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
