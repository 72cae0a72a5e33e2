"""The text of each token of an encoding, asked of the tokenizer once."""

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any, Final

from .tokenizer import Tokenizer

_LARGEST_VOCABULARY = 1 << 18
_BEGIN = "\ud800"
"""Stands for no byte."""
_FEW_BYTES = 8
"""Such characters come again and again; longer rows might not, and could be of any length."""


class Spellings(dict[int, str]):
    """The texts of tokens; bytes that are not whole characters are lone surrogates in them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, token: int) -> str:
        if len(self) >= _LARGEST_VOCABULARY:
            self.clear()
        (spelling,) = self._tokenizer.decode_tokens_bytes([token])
        text = self[token] = spelling.decode(errors="surrogateescape")
        return text


def spellings_of(tokenizer: Tokenizer) -> Spellings:
    """Those of its tokens that were met before; it is asked for the others."""
    try:
        return _known(tokenizer)
    except TypeError:  # It holds what has no hash.
        return Spellings(tokenizer)


_known: Callable[[Any], Spellings] = lru_cache(maxsize=4)(Spellings)

INNER_BYTES: Final = frozenset(map(chr, range(0xDC80, 0xDCC0)))
"""What spells the bytes with which no character begins."""


def whole_characters(spellings: Sequence[str]) -> str:
    """What tokens spell together that end inside characters."""
    text = "".join(spellings)
    return (_looked_up if len(text) <= _FEW_BYTES else _decoded)(text)


def characters_of(spellings: Sequence[str], inner: Collection[str]) -> Sequence[str]:
    """What tokens spell, cut before each that is not one of the `inner` ones.

    Those begin inside characters.
    """
    marked = {
        spelling: spelling if spelling in inner else _BEGIN + spelling for spelling in {*spellings}
    }
    rows = "".join(map(marked.__getitem__, spellings)).split(_BEGIN)[1:]
    characters = {row: _decoded(row) for row in {*rows}}
    return [*map(characters.__getitem__, rows)]


def _decoded(spellings: str) -> str:
    return spellings.encode(errors="surrogateescape").decode()


_looked_up = lru_cache(maxsize=1 << 14)(_decoded)
