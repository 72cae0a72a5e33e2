"""Which pieces of a text are kept or removed as wholes: runs of tokens, never part of a character."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import accumulate, compress, pairwise
from typing import Self

import regex
from attrs import frozen

from .tokenizer import Tokenizer

LONGEST_RUN = 1 << 16
"""How many characters of one kind, white space or not, are encoded together."""

_LONG_RUN = re.compile(rf"\s{{{LONGEST_RUN},}}|\S{{{LONGEST_RUN},}}")

# UAX 29, rules GB3 and GB6 to GB13: two characters are in one grapheme only if
# the second is one of these, or the first is, or a carriage return.
_JOINING = regex.compile(
    r"[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}\p{GCB=Prepend}"
    r"\p{GCB=Regional_Indicator}\p{GCB=L}\p{GCB=V}\p{GCB=T}]"
)
_GRAPHEME = regex.compile(r"\X")


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

    def running_total(self, order: Sequence[int]) -> Sequence[int]:
        """The number of tokens of none, of the first one, two, three and so on of `order`."""
        if self.are_single_tokens:
            return range(len(order) + 1)
        return [0, *accumulate(map(self.sizes.__getitem__, order))]

    def joined(self, starts: Sequence[int]) -> Self:
        """Larger units, one from each index of `starts` up to the next.

        Raises ValueError if some of the text would be in none of them.
        """
        texts, sizes = self.texts, self.sizes
        if not starts or starts[0] != 0:
            raise ValueError("the first unit must begin with the text")
        if len(starts) == len(texts):
            return self
        ends = [*starts[1:], len(texts)]
        return type(self)(
            [
                texts[a] if b - a == 1 else "".join(texts[a:b])
                for a, b in zip(starts, ends, strict=True)
            ],
            [
                sizes[a] if b - a == 1 else sum(sizes[a:b])
                for a, b in zip(starts, ends, strict=True)
            ],
            self.tokens,
        )


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
    distinct = list(set(tokens))
    spellings = dict(zip(distinct, tokenizer.decode_tokens_bytes(distinct), strict=True))
    # Bytes that are not whole characters become surrogates until they are joined.
    texts = {
        token: spelling.decode(errors="surrogateescape") for token, spelling in spellings.items()
    }
    units = Units([*map(texts.__getitem__, tokens)], [1] * len(tokens), tokens)
    inner = {token for token, spelling in spellings.items() if 0x80 <= spelling[0] < 0xC0}
    if inner:
        units = _whole_characters(units, inner)
        return _whole_graphemes(units, set(units.texts))
    return _whole_graphemes(units, set(texts.values()))


def _whole_characters(units: Units, inner: set[int]) -> Units:
    """Join each token that begins inside a character to the one before it."""
    starts = [index for index, token in enumerate(units.tokens) if token not in inner]
    joined = units.joined(starts)
    texts = [
        text if size == 1 else text.encode(errors="surrogateescape").decode()
        for text, size in zip(joined.texts, joined.sizes, strict=True)
    ]
    return Units(texts, joined.sizes, joined.tokens)


def _whole_graphemes(units: Units, distinct: set[str]) -> Units:
    """Join units, whose `distinct` texts are these, where a grapheme goes on into the next."""
    letters = "".join(distinct)
    joining: set[str] = set() if letters.isascii() else {*_JOINING.findall(letters)}
    leading = {text for text in distinct if text[0] in joining}
    joining.add("\r")
    trailing = {text for text in distinct if text[-1] in joining}
    if not leading and not trailing:
        return units
    certain = [
        index
        for index, (before, text) in enumerate(pairwise(["", *units.texts]))
        if index == 0 or (text not in leading and before not in trailing)
    ]
    return units.joined(_grapheme_starts(units, certain))


def _grapheme_starts(units: Units, certain: Sequence[int]) -> list[int]:
    """The units that begin a grapheme; a grapheme is known to begin at each of `certain`."""
    # Many scripts spell the same few clusters again and again.
    starts_within = cache(_starts_within)
    starts: list[int] = []
    for first, end in pairwise([*certain, len(units)]):
        starts.append(first)
        if end - first > 1:
            starts += [first + at for at in starts_within(tuple(units.texts[first:end]))]
    return starts


def _starts_within(texts: tuple[str, ...]) -> list[int]:
    """Which of these texts, other than the first, begin a grapheme of them all together."""
    graphemes = _GRAPHEME.findall("".join(texts))
    ends = set(accumulate(map(len, graphemes[:-1])))
    return [at for at, end in enumerate(accumulate(map(len, texts)), 1) if end in ends]
