"""Which pieces of a text are kept or removed as wholes: runs of tokens, never part of a character."""

import re
from collections.abc import Callable, Sequence
from itertools import accumulate, compress, pairwise
from operator import sub
from typing import Final, Self

from attrs import frozen

from .graphemes import continuations
from .spellings import INNER_BYTES, characters_of, spellings_of, whole_characters
from .tokenizer import Tokenizer

LONGEST_RUN = 1 << 16
"""How many characters of one kind, white space or not, are encoded together."""

_LONG_RUN = re.compile(rf"\s{{{LONGEST_RUN},}}|\S{{{LONGEST_RUN},}}")

_CONTINUED = re.compile(rb"\x01+")
_MANY = 0.15
"""A larger share of units that continue others is joined faster by a look at every unit."""
_NEGATED: Final = b"\1\0".ljust(256)

Spell = Callable[[Sequence[str]], str]
"""From consecutive pieces to the text that they make up."""


@frozen
class Units:
    """Consecutive pieces of a text, as columns: the text of each and its number of tokens.

    `tokens` are all of them in one row: those of the first unit, then those of
    the second, and so on.
    """

    texts: Sequence[str]
    sizes: Sequence[int]
    tokens: Sequence[int]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def are_single_tokens(self) -> bool:
        return len(self.texts) == len(self.tokens)

    def tokens_of(self, chosen: bytes | bytearray) -> int:
        """The number of tokens of the units that have a 1 in `chosen`."""
        return chosen.count(1) if self.are_single_tokens else sum(compress(self.sizes, chosen))

    @property
    def ends(self) -> Sequence[int]:
        """The number of tokens before the first unit, the second and so on, and of them all."""
        if self.are_single_tokens:
            return range(len(self.texts) + 1)
        return [*accumulate(self.sizes, initial=0)]

    def running_total(self, order: Sequence[int]) -> Sequence[int]:
        """The number of tokens of none, of the first one, two, three and so on of `order`."""
        if self.are_single_tokens:
            return range(len(order) + 1)
        return [*accumulate(map(self.sizes.__getitem__, order), initial=0)]

    def joined_where(self, continues: bytes) -> Self:
        """Larger units, in which each that has a 1 is joined to the one before it."""
        if 1 not in continues:
            return self
        if _are_many(continues):
            return self.joined([*compress(range(len(self)), continues.translate(_NEGATED))])
        return self.with_runs_joined(continues)

    def with_runs_joined(self, continues: bytes, spell: Spell = "".join) -> Self:
        """The same, fast where few have a 1."""
        texts: list[str] = []
        sizes: list[int] = []
        position, ends = 0, self.ends
        for run in _CONTINUED.finditer(continues):
            second, end = run.span()
            start = second - 1
            if position < start:
                texts += self.texts[position:start]
                sizes += self.sizes[position:start]
            texts.append(spell(self.texts[start:end]))
            sizes.append(ends[end] - ends[start])
            position = end
        texts += self.texts[position:]
        sizes += self.sizes[position:]
        return type(self)(texts, sizes, self.tokens)

    def joined(self, starts: Sequence[int]) -> Self:
        """Larger units, one from each index of `starts` up to the next.

        Raises ValueError if some of the text would be in none of them.
        """
        if not starts or starts[0] != 0:
            raise ValueError("the first unit must begin with the text")
        if len(starts) == len(self):
            return self
        bounds = [*starts, len(self)]
        texts = [
            self.texts[a] if b - a == 1 else "".join(self.texts[a:b]) for a, b in pairwise(bounds)
        ]
        ends = bounds if self.are_single_tokens else [*map(self.ends.__getitem__, bounds)]
        return type(self)(texts, [*map(sub, ends[1:], ends)], self.tokens)


def encode(text: str, tokenizer: Tokenizer) -> list[int]:
    """The tokens of `text`, special ones as plain text.

    A run of white space, or of anything else, is encoded in parts of
    LONGEST_RUN characters: tiktoken gives up at a million white-space ones.
    """
    cuts = _cuts(text) if len(text) > LONGEST_RUN else []
    if not cuts:
        return tokenizer.encode(text, disallowed_special=())
    tokens: list[int] = []
    for start, end in pairwise([0, *cuts, len(text)]):
        tokens += tokenizer.encode(text[start:end], disallowed_special=())
    return tokens


def _cuts(text: str) -> list[int]:
    if not _may_hold_a_long_run(text):
        return []
    return [
        cut
        for run in _LONG_RUN.finditer(text)
        for cut in range(run.start() + LONGEST_RUN, run.end(), LONGEST_RUN)
    ]


def _may_hold_a_long_run(text: str) -> bool:
    """A run that long covers one of these halves; to look at each is much faster than to search."""
    half = LONGEST_RUN // 2
    halves = (text[start : start + half] for start in range(0, len(text) - half, half))
    return any(part.isspace() or len(part.split(maxsplit=1)[0]) == half for part in halves)


def smallest_units(tokens: Sequence[int], tokenizer: Tokenizer) -> Units:
    """The smallest runs of tokens that begin and end between two graphemes (UAX 29)."""
    spellings = [*map(spellings_of(tokenizer).__getitem__, tokens)]
    units = Units(spellings, b"\1" * len(tokens), tokens)
    distinct = set(spellings)
    characters = "".join(distinct)
    if characters.isascii() and "\r" not in characters:
        return units
    if inner := {spelling for spelling in distinct if spelling[0] in INNER_BYTES}:
        continues = bytes(map(inner.__contains__, spellings))
        units = (
            Units(characters_of(spellings, inner), _sizes_of_runs(continues), tokens)
            if _are_many(continues)
            else units.with_runs_joined(continues, whole_characters)
        )
    return units.joined_where(continuations(units.texts))


def _are_many(continues: bytes) -> bool:
    return continues.count(1) > len(continues) * _MANY


def _sizes_of_runs(continues: bytes) -> Sequence[int]:
    """The length of each run of a 0 and the 1 that follow it."""
    return [len(ones) + 1 for ones in continues.split(b"\0")[1:]]
