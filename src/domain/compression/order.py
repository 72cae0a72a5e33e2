"""Which units of a block are the first ones of an order."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from operator import sub
from typing import Final, Protocol

from attrs import define, field, frozen

from .draws import Draws, MadeWhenRead

_FEW = 200
"""So many units are sorted faster than they are looked through."""

_BELOW: Final = [b"\1" * bound + bytes(256 - bound) for bound in range(257)]
"""By bound, tables for bytes.translate that give 1 for what is below it, otherwise 0."""
_AROUND: Final = [
    bytes(map(sub, _BELOW[min(bound + 1, 256)], _BELOW[max(bound - 2, 0)])) for bound in range(257)
]
"""The same for the byte below the bound and those beside it."""
_ONE = re.compile(rb"\x01")


class Prefixes(Protocol):
    """The first units of an order, for any number of them."""

    def __len__(self) -> int: ...

    def mask(self, number: int) -> bytearray:
        """A byte for each unit of the block, 1 if it is one of the first `number`."""
        ...


def rising(draws: Sequence[int]) -> Sequence[int]:
    """The indices of `draws`, that of the lowest first."""
    if isinstance(draws, Draws) and len(draws) > _FEW:
        return Rising(draws)
    return _sorted(draws)


def _sorted(draws: Sequence[int]) -> list[int]:
    # Doubles compare faster than integers of 64 bits.
    return sorted(range(len(draws)), key=[*map(float, draws)].__getitem__)


@frozen
class Rising(MadeWhenRead):
    """The indices of draws in their order, which is sorted only where somebody cuts it."""

    draws: Draws
    _counts: dict[int, int] = field(factory=dict[int, int], init=False, eq=False)

    def __len__(self) -> int:
        return len(self.draws)

    def make(self) -> Sequence[int]:
        return _sorted(self.draws)

    def mask(self, number: int) -> bytearray:
        bound = bisect_left(range(256), number, key=self._below)
        # Rounded, a draw can be as high as the lowest ones of the next highest byte.
        certain = max(bound - 2, 0)
        mask = bytearray(self._highest.translate(_BELOW[certain]))
        around = self._highest.translate(_AROUND[bound])
        near = [found.start() for found in _ONE.finditer(around)]
        near.sort(key=self.draws.rounded)
        for index in near[: number - self._below(certain)]:
            mask[index] = 1
        return mask

    @cached_property
    def _highest(self) -> bytes:
        return self.draws.highest_bytes()

    def _below(self, bound: int) -> int:
        """How many draws have a highest byte below the bound."""
        if bound not in self._counts:
            mask = self._highest.translate(_BELOW[bound])
            self._counts[bound] = int.from_bytes(mask).bit_count()
        return self._counts[bound]


@define
class Listed:
    """Any other order."""

    order: Sequence[int]
    _mask: bytearray
    _number: int = field(default=0, init=False)

    def __len__(self) -> int:
        return len(self.order)

    def mask(self, number: int) -> bytearray:
        mask = self._mask
        for index in self.order[self._number : number]:
            mask[index] = 1
        for index in self.order[number : self._number]:
            mask[index] = 0
        self._number = number
        return mask
