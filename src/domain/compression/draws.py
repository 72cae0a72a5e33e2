"""What chance has in store for the units of a block: a random number for each."""

import struct
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import shake_128
from typing import overload

from attrs import frozen

_WORD_BYTES = 8


class MadeWhenRead(Sequence[int]):
    """Numbers that are not there until one of them is asked for."""

    @abstractmethod
    def make(self) -> Sequence[int]:
        """All of them."""

    @cached_property
    def numbers(self) -> Sequence[int]:
        """All of them, made once."""
        return self.make()

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        return self.numbers[index]


@frozen
class Draws(MadeWhenRead):
    """64-bit words, little-endian in the bytes of them all."""

    words: bytes

    def __len__(self) -> int:
        return len(self.words) // _WORD_BYTES

    def make(self) -> Sequence[int]:
        return struct.unpack(f"<{len(self)}Q", self.words)

    def highest_bytes(self) -> bytes:
        return self.words[_WORD_BYTES - 1 :: _WORD_BYTES]

    def rounded(self, index: int) -> float:
        """The draw at `index`, as a double."""
        (word,) = struct.unpack_from("<Q", self.words, index * _WORD_BYTES)
        return float(word)


def draws_of(link: bytes, count: int) -> Draws:
    """As many draws as the block has units."""
    return Draws(shake_128(link).digest(count * _WORD_BYTES))
