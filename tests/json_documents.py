"""JSON documents as odd as RFC 8259 allows, and what the standard library makes of them."""

import json
from collections.abc import Sequence
from random import Random
from typing import NoReturn

from attrs import frozen
from hypothesis import strategies as st


@frozen
class Number:
    """A number, as it is spelt."""

    spelling: str


@frozen
class Object:
    """An object with its members in order, duplicates included."""

    members: tuple[tuple[str, "Value"], ...]


Value = None | bool | Number | str | Sequence["Value"] | Object

numbers = st.builds(
    Number,
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)
texts = st.text('ab \n\t"\\/é漢🙂\x7f\u2028\x01', max_size=12) | st.text(max_size=12)
surrogates = st.text("a\ud800\udfff", max_size=3)
scalars: st.SearchStrategy[Value] = st.none() | st.booleans() | numbers | texts | surrogates


def values(keys: st.SearchStrategy[str] = texts) -> st.SearchStrategy[Value]:
    """Values of every kind, whose objects have such keys."""

    def containers(items: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
        members = st.lists(st.tuples(keys, items), max_size=4)
        return st.lists(items, max_size=4) | members.map(tuple).map(Object)

    return st.recursive(scalars, containers, max_leaves=12)


_SHORT_ESCAPES = dict(zip('"\\/\b\f\n\r\t', '"\\/bfnrt', strict=True))
_SPACES = ("", "", "", " ", "\n", "\r\n  ", "\t")


class Speller:
    """Spells values with white space and escapes where they are allowed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = Random(seed)

    def __repr__(self) -> str:
        return f"Speller({self._seed})"

    def spell(self, value: Value) -> bytes:
        return self._spaced(value).encode()

    def _spaced(self, value: Value) -> str:
        return f"{self._space()}{self._spelt(value)}{self._space()}"

    def _spelt(self, value: Value) -> str:
        match value:
            case None:
                return "null"
            case bool():
                return "true" if value else "false"
            case Number():
                return value.spelling
            case str():
                return f'"{"".join(map(self._character, value))}"'
            case Object():
                members = (
                    f"{self._spaced(key)}:{self._spaced(item)}" for key, item in value.members
                )
                return f"{{{','.join(members) or self._space()}}}"
            case _:
                return f"[{','.join(map(self._spaced, value)) or self._space()}]"

    def _space(self) -> str:
        return self._random.choice(_SPACES)

    def _character(self, character: str) -> str:
        is_special = character in '"\\' or character < " " or "\ud800" <= character <= "\udfff"
        if not is_special and self._random.random() < 0.7:
            return character
        if character in _SHORT_ESCAPES and self._random.random() < 0.7:
            return f"\\{_SHORT_ESCAPES[character]}"
        units = character.encode("utf-16-be", "surrogatepass").hex()
        units = self._random.choice((units, units.upper()))
        return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


spellers = st.integers(0, 2**32).map(Speller)


def parse(text: bytes) -> Value:
    """What the standard library reads, held to RFC 8259; raises ValueError."""
    value: Value = json.loads(
        text.decode(),
        object_pairs_hook=lambda members: Object(tuple(members)),
        parse_int=Number,
        parse_float=Number,
        parse_constant=_refuse,
    )
    return value


def is_json(text: bytes) -> bool:
    """Whether the standard library takes `text` for JSON."""
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def broken(texts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Such texts with a stretch cut out and some noise in its place; some are JSON still."""

    def replaced(text: bytes, start: int, length: int, noise: bytes) -> bytes:
        start = start % (len(text) + 1)
        return text[:start] + noise + text[start + length :]

    return st.builds(replaced, texts, st.integers(0, 1000), st.integers(0, 3), _noise)


_noise = st.sampled_from([bytes([byte]) for byte in b'[]{},:"\\ \x00\t\x0b\x0c-+.eE01u/'])
_noise |= st.sampled_from([b"", b"NaN", b"-Infinity", b"null", b"\\ud800", b"\xc2\xa0"])
_noise |= st.sampled_from([b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"\xff"])

documents = st.builds(Speller.spell, spellers, values())
