"""How many units of a block to keep, so that what is left costs what it may."""

from collections.abc import Callable, Sequence
from itertools import compress
from math import isqrt

from attrs import define, field, frozen

from .order import Listed, Prefixes, Rising
from .tokenizer import Tokenizer
from .units import Units, encode

_TRUSTED_DISTANCE = 10

_LARGE_UNITS = 2
"""Where units have more tokens, all must be added up, and sorted, to know what some cost."""


@frozen
class Cut:
    """The units of a block, whether each is kept, and what is left of the block."""

    texts: Sequence[str]
    kept: bytes
    """A byte for each unit, 1 if it is kept."""
    text: str
    tokens_kept: int
    tokens_over: int
    """How many tokens more than the target the units that must stay cost."""


def cut(
    block: Units,
    order: Sequence[int],
    target: int,
    tokenizer: Tokenizer,
    *,
    pinned: bytes,
    first: bool,
) -> Cut:
    """Keep units in their `order` until `target` tokens are billed.

    The `pinned` ones stay whatever they cost. Of the `first` block something
    stays, and its bill is as exact as can be: it is all there is to a short text.
    """
    is_pinned = 1 in pinned
    free = [index for index in order if not pinned[index]] if is_pinned else order
    left = _left(block, free, pinned, tokenizer)
    least = 1 if first and not is_pinned else 0
    forecast = _no_forecast if is_pinned else _forecast(left, least, exact=first)
    number = _find(left, least, target, forecast, tolerance=0 if first else 1)
    left.keep(number)
    return Cut(
        texts=block.texts,
        kept=left.mask,
        text=left.text,
        tokens_kept=block.tokens_of(left.mask),
        tokens_over=max(0, left.billed(number) - target) if number == least else 0,
    )


def _left(block: Units, order: Sequence[int], pinned: bytes, tokenizer: Tokenizer) -> "_Left":
    if not isinstance(order, Rising) or len(block.tokens) > _LARGE_UNITS * len(order):
        costs, prefixes = block.running_total(order), Listed(order, bytearray(pinned))
        return _Left(block, prefixes, tokenizer, costs)
    if block.are_single_tokens:
        return _Left(block, order, tokenizer, range(len(order) + 1))
    return _Left(block, order, tokenizer, {0: 0, len(order): len(block.tokens)})


@define
class _Left:
    """What is left of a block if only the first units of an order are kept."""

    block: Units
    prefixes: Prefixes
    tokenizer: Tokenizer
    costs: Sequence[int] | dict[int, int]
    """The tokens of the first units as they are in the block, or what is known of that."""
    number: int = -1
    mask: bytes = b""
    text: str = ""
    counts: dict[int, int] = field(factory=dict[int, int])

    def keep(self, number: int) -> None:
        if number != self.number:
            self.number, self.mask = number, bytes(self.prefixes.mask(number))
            self.text = "".join(compress(self.block.texts, self.mask))

    def cost(self, number: int) -> int:
        if isinstance(self.costs, dict) and number not in self.costs:
            self.keep(number)
            self.costs[number] = self.block.tokens_of(self.mask)
        return self.costs[number]

    def bounds_of_cost(self, number: int) -> tuple[int, int]:
        """The least and the most, with nothing added up: each unit costs a token or more."""
        costs = self.costs
        if not isinstance(costs, dict):
            return costs[number], costs[number]
        known = costs.items()
        return (
            max(cost + (number - kept) for kept, cost in known if kept <= number),
            min(cost - (kept - number) for kept, cost in known if kept >= number),
        )

    def billed(self, number: int) -> int:
        """The tokens of the text with the first `number` units, encoded again."""
        if number not in self.counts:
            self.keep(number)
            self.counts[number] = len(encode(self.text, self.tokenizer))
        return self.counts[number]


Forecast = Callable[[int, int], tuple[float, float]]
"""From a number of units to the fewest and the most tokens they can be billed as.

That is as close as it takes to compare it with another number, which comes second.
"""


def _find(left: _Left, least: int, target: int, forecast: Forecast, *, tolerance: int) -> int:
    """The number of units whose bill comes nearest to `target`, or as near as is tolerated.

    Which numbers are tried must not depend on the target: a larger one then
    never keeps less, even where more units are billed as fewer tokens.
    """
    low, high = least, len(left.prefixes)
    while high - low > 1:
        middle = (low + high) // 2
        fewest, most = forecast(middle, target)
        if fewest < most and fewest <= target <= most:
            fewest = most = left.billed(middle)
        if fewest == most and abs(most - target) <= tolerance:
            return middle
        if most < target:
            low = middle
        else:
            high = middle
    if low < high and left.billed(low) + left.billed(high) < 2 * target:
        return high
    return low


def _no_forecast(_: int, __: int) -> tuple[float, float]:
    return float("-inf"), float("inf")


def _forecast(left: _Left, least: int, *, exact: bool) -> Forecast:
    """Bounds of the bill, by what is known of one half of the units.

    Tokens merge where something between them was removed, so what is lost
    grows with the number of such joints: as kept times removed. The bill's
    standard deviation from that is about 0.3 times the root of the `distance`
    below; near the half, where it is under a token, that is as good as a count.
    """
    number = len(left.prefixes)
    half = (least + number) // 2
    if number - least < 2:
        return _no_forecast
    loss = left.cost(half) - left.billed(half)
    if abs(loss) * 8 > left.cost(half):
        return _no_forecast
    joints = half * (number - half)
    trusted = 0 if exact else _TRUSTED_DISTANCE

    def forecast(kept: int, target: int) -> tuple[int, int]:
        lost = (2 * loss * kept * (number - kept) + joints) // (2 * joints)
        if kept < half:
            distance = kept * (half - kept) // half
        else:
            distance = (kept - half) * (number - kept) // (number - half)
        slack = 0 if distance < trusted else 1 + isqrt(distance)
        fewest, most = left.bounds_of_cost(kept)
        if fewest < most and fewest - slack - 1 <= target + lost <= most + slack + 1:
            fewest = most = left.cost(kept)
        return fewest - lost - slack, most - lost + slack

    return forecast
