"""What anyone would try first, cut to the same number of billed tokens, to compare removal with.

Each is an order over the words of the whole text: what it keeps first and what last.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from types import MappingProxyType
from typing import Final

from attrs import frozen

from ..compression.cut import cut
from ..compression.keep_ratio import KeepRatio
from ..compression.strategies import Strategy
from ..compression.text import CompressedText
from ..compression.tokenizer import Tokenizer
from ..compression.units import Units, encode, smallest_units
from ..compression.words import word_starts
from .survival import is_content_word


@frozen
class HeadAndTail:
    """Keeps the beginning and the end, and drops the middle."""

    name: str = "head_and_tail"

    def starts(self, units: Units) -> Sequence[int]:
        return word_starts(units)

    def order(self, units: Units, draws: Sequence[int]) -> Sequence[int]:
        del draws
        return _from_both_ends(range(len(units)))


@frozen
class StopWords:
    """Drops stop words, the last ones first, then the middle of what is left."""

    name: str = "stop_words"

    def starts(self, units: Units) -> Sequence[int]:
        return word_starts(units)

    def order(self, units: Units, draws: Sequence[int]) -> Sequence[int]:
        del draws
        says_something = [*map(_says_something, units.texts)]
        content = [index for index, says in enumerate(says_something) if says]
        rest = [index for index, says in enumerate(says_something) if not says]
        return [*_from_both_ends(content), *rest]


def _from_both_ends(indices: Sequence[int]) -> list[int]:
    """The first, the last, the second, the last but one and so on, to the middle."""
    half = (len(indices) + 1) // 2
    pairs = zip_longest(indices[:half], reversed(indices[half:]))
    return [index for index in chain.from_iterable(pairs) if index is not None]


def _says_something(unit: str) -> bool:
    word = unit.strip(" \t\r\n.,;:!?()[]\"'")
    return any(map(str.isdigit, word)) or is_content_word(word)


BASELINES: Final[Mapping[str, Strategy]] = MappingProxyType(
    {baseline.name: baseline for baseline in (HeadAndTail(), StopWords())}
)


def thin_whole(
    text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer, baseline: Strategy
) -> CompressedText:
    """Keep what comes first in the order of `baseline` until `keep_ratio` of the tokens is billed."""
    tokens = encode(text, tokenizer)
    count = len(tokens)
    if not keep_ratio.compresses or count <= 1:
        return CompressedText(text, count, count, count, keep_ratio, baseline.name, "keep_all")
    smallest = smallest_units(tokens, tokenizer)
    units = smallest.joined(baseline.starts(smallest))
    made = cut(
        units,
        baseline.order(units, ()),
        round(count * keep_ratio.share),
        tokenizer,
        pinned=bytes(len(units)),
        first=True,
    )
    billed = len(encode(made.text, tokenizer))
    return CompressedText(
        made.text, count, made.tokens_kept, billed, keep_ratio, baseline.name, cuts=(made,)
    )
