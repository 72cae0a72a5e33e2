"""What is kept of each block of a text: its draw, its target and the cut that meets it."""

import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from hashlib import blake2b, shake_128
from itertools import accumulate, compress

from attrs import frozen

from .tokenizer import Tokenizer
from .strategies import Strategy
from .units import Units, encode

ALGORITHM = "rtc/1"

BLOCK_TOKENS = 512
LARGEST_BLOCK_TOKENS = 1024
_DIGEST_BYTES = 32
_WORD_BYTES = 8
_WORD_BITS = 64


@frozen
class Choice:
    """The units of a block and, for each, whether it is kept."""

    texts: Sequence[str]
    kept: bytes

    @property
    def text(self) -> str:
        return "".join(compress(self.texts, self.kept))


def first_link(tokenizer: Tokenizer, strategy: Strategy, salt: bytes) -> bytes:
    """The start of the chain: who draws, and how."""
    key = salt if len(salt) <= blake2b.MAX_KEY_SIZE else blake2b(salt).digest()
    names = "\0".join([ALGORITHM, tokenizer.name, strategy.name])
    return blake2b(names.encode(), key=key, digest_size=_DIGEST_BYTES).digest()


def next_link(link: bytes, text: str) -> bytes:
    """The link of a block, which depends on all the text up to its end."""
    return blake2b(link + text.encode(), digest_size=_DIGEST_BYTES).digest()


def draws_of(link: bytes, count: int) -> tuple[int, ...]:
    """The block's random words, one for each of its units."""
    return struct.unpack(f"<{count}Q", shake_128(link).digest(count * _WORD_BYTES))


def target_of(tokens: int, share: Fraction, link: bytes, *, first: bool) -> int:
    """How many tokens to keep: rounded in the first block, randomly in the others."""
    offset = 1 << _WORD_BITS - 1 if first else int.from_bytes(link[:_WORD_BYTES], "little")
    wanted = (tokens * share.numerator << _WORD_BITS) + offset * share.denominator
    return wanted // (share.denominator << _WORD_BITS)


def blocks_of(units: Units) -> Iterator[Units]:
    """Blocks of 512 tokens or more, up to the next white space, 1024 at most."""
    ends = list(accumulate(units.sizes))
    first, tokens_before = 0, 0
    for index, (text, end) in enumerate(zip(units.texts, ends, strict=True)):
        before = end - units.sizes[index] - tokens_before
        if index > first and (
            (before >= BLOCK_TOKENS and text[0].isspace())
            or end - tokens_before > LARGEST_BLOCK_TOKENS
        ):
            yield _slice(units, first, index, tokens_before)
            first, tokens_before = index, tokens_before + before
    yield _slice(units, first, len(units), tokens_before)


def _slice(units: Units, first: int, end: int, tokens_before: int) -> Units:
    sizes = units.sizes[first:end]
    tokens = units.tokens[tokens_before : tokens_before + sum(sizes)]
    return Units(units.texts[first:end], sizes, tokens)


def cut(block: Units, order: Sequence[int], least: int, target: int, tokenizer: Tokenizer) -> tuple[bytes, int]:
    """Which units to keep for `target` billed tokens, and how many tokens these are."""
    counts: dict[int, int] = {}

    def kept(number: int) -> bytearray:
        mask = bytearray(len(block))
        for index in order[:number]:
            mask[index] = 1
        return mask

    def billed(number: int) -> int:
        if number not in counts:
            text = "".join(compress(block.texts, kept(number)))
            counts[number] = len(encode(text, tokenizer))
        return counts[number]

    low, high = least, len(block)
    while high - low > 1:
        middle = (low + high) // 2
        if billed(middle) == target:
            return bytes(kept(middle)), target
        if billed(middle) < target:
            low = middle
        else:
            high = middle
    nearest = high if billed(low) + billed(high) < 2 * target else low
    return bytes(kept(nearest)), billed(nearest)
