"""The blocks of a text, the chain of their links, and how much of each is to be kept."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

from .keep_ratio import KeepRatio
from .units import Units

ALGORITHM = "rtc/1"
"""Part of every draw. Whoever changes a byte of any result changes this name, too.

If only the results of one strategy change, its entry in DRAWN_AS does instead.
"""

DRAWN_AS: Final[Mapping[str, str]] = MappingProxyType({"weighted": "weighted/3"})
"""What a strategy is called in its draws, if that is not its name: a new version draws anew."""

BLOCK_TOKENS = 512
LARGEST_BLOCK_TOKENS = 1024

_BEGIN = "\ud800"
"""Stands before each unit, since no text that is compressed holds a lone surrogate."""
_SPACE = re.compile(rf"{_BEGIN}\s")
_NEAR = 16
"""Where words are spaced, one begins within so many units."""
_LINK_BYTES = 32
_WORD_BYTES = 8
_ONE = 1 << 64
_ONE_HALF = 1 << 63


def blocks_of(units: Units) -> Iterator[Units]:
    """Blocks of 512 tokens or more, up to the next white space or to 1024 tokens."""
    ends = units.ends
    first = 0
    while first < len(units):
        end = _end_of_block(units.texts, ends, first)
        tokens = units.tokens[ends[first] : ends[end]]
        yield Units(units.texts[first:end], units.sizes[first:end], tokens)
        first = end


def _end_of_block(texts: Sequence[str], ends: Sequence[int], first: int) -> int:
    enough = bisect_left(ends, ends[first] + BLOCK_TOKENS, first)
    if enough >= len(texts):
        return len(texts)
    largest = max(enough, bisect_right(ends, ends[first] + LARGEST_BLOCK_TOKENS, enough) - 1)
    for end in (min(enough + _NEAR, largest), largest):
        row = _BEGIN + _BEGIN.join(texts[enough:end])
        if space := _SPACE.search(row):
            return enough + row.count(_BEGIN, 0, space.start())
    return largest


def first_link(encoding: str, strategy: str, salt: bytes) -> bytes:
    """The start of a text's chain: which tokens, drawn how, and for whom."""
    key = salt if len(salt) <= blake2b.MAX_KEY_SIZE else blake2b(salt).digest()
    names = f"{ALGORITHM}\0{encoding}\0{DRAWN_AS.get(strategy, strategy)}"
    return blake2b(names.encode(), key=key, digest_size=_LINK_BYTES).digest()


def next_link(link: bytes, block: Units) -> bytes:
    """A block's link, which depends on all the text up to its end and on nothing after."""
    return blake2b(link + "".join(block.texts).encode(), digest_size=_LINK_BYTES).digest()


def target_of(link: bytes, tokens: int, keep_ratio: KeepRatio, *, first: bool) -> int:
    """How many of the block's tokens to keep.

    Rounded to the nearest in the first block, so that short texts are exact;
    up or down at random in the others, so that long ones are exact on the whole.
    """
    offset = _ONE_HALF if first else int.from_bytes(link[:_WORD_BYTES], "little")
    share = keep_ratio.share
    return (tokens * share.numerator * _ONE + offset * share.denominator) // (
        share.denominator * _ONE
    )
