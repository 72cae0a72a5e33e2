"""Into which pieces of a text a grapheme goes on from the piece before (UAX 29)."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Final

import regex

_GRAPHEME = regex.compile(r"\X")

# The last character of a piece and the first of the next mostly decide whether
# there is a boundary between them: 0 for yes, 1 for no. Where 2 stands it takes
# more: characters further away, or more kinds of them than are told apart here.
_LAST = regex.compile(
    r"([\p{GCB=Control}\p{GCB=LF}])|(\p{GCB=Extend})"
    r"|([\p{GCB=CR}\p{GCB=Prepend}\p{GCB=ZWJ}\p{GCB=L}\p{InCB=Linker}])"
)
_FIRST = regex.compile(
    r"([\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}])"
    r"|([\p{GCB=Regional_Indicator}\p{GCB=V}\p{GCB=T}])"
    r"|([^\x00-\x7F\p{Extended_Pictographic}\p{GCB=L}])"
)
_BETWEEN: Final = bytes(
    (
        # before ASCII or a symbol, a mark, a flag or jamo, anything else:
        *(0, 1, 2, 0),  # after a letter, a flag or jamo
        *(0, 0, 0, 0),  # after a control character
        *(0, 1, 0, 2),  # after a mark
        *(2, 2, 2, 2),  # after a joiner, linker or prefix, a leading jamo or a carriage return
    )
).ljust(256)
_LAST_OF = bytes(edges & 0b1100 for edges in range(256))
_FIRST_OF = bytes(edges & 0b0011 for edges in range(256))
_PLAIN = frozenset({0b0000, 0b0011, 0b0100, 0b0111})

_UNDECIDED = re.compile(rb"\x00\x01*\x02[^\x00]*")
_SHORT_RUN = 8
_SHORT_PIECE = 128
"""What is longer may be of any length, and is not remembered."""


def continuations(pieces: Sequence[str]) -> bytes:
    """A byte for each piece, 1 if it begins inside a grapheme."""
    distinct = set(pieces)
    are_short = max(map(len, distinct)) <= _SHORT_PIECE
    edges_of = _remembered_edges if are_short else _edges
    edges = dict(zip(distinct, map(edges_of, distinct), strict=True))
    if _PLAIN.issuperset(edges.values()):
        return bytes(len(pieces))
    row = bytes(map(edges.__getitem__, pieces))
    before = b"\4" + row[:-1].translate(_LAST_OF)
    between = _either(before, row.translate(_FIRST_OF)).translate(_BETWEEN) + b"\0"
    decided = bytearray(between)
    for run in _UNDECIDED.finditer(between):
        start, end = run.span()
        within = _remembered_within if are_short and end - start <= _SHORT_RUN else _within
        decided[start:end] = within(tuple(pieces[start:end]))
    return bytes(decided[:-1])


def _either(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) | int.from_bytes(other)).to_bytes(len(one))


def _edges(piece: str) -> int:
    last, first = _LAST.match(piece[-1]), _FIRST.match(piece[0])
    return (last.lastindex or 0 if last else 0) << 2 | (first.lastindex or 0 if first else 0)


def _within(pieces: tuple[str, ...]) -> bytes:
    """As `continuations`, for pieces of which the first begins with a grapheme."""
    starts = {*accumulate(map(len, _GRAPHEME.findall("".join(pieces))), initial=0)}
    return bytes(start not in starts for start in accumulate(map(len, pieces[:-1]), initial=0))


# Many scripts spell the same few clusters again and again.
_remembered_edges = lru_cache(maxsize=1 << 15)(_edges)
_remembered_within = lru_cache(maxsize=1 << 14)(_within)
