"""Where the values of a JSON text stand in its bytes.

A reader moves over the bytes once and checks all it passes against RFC 8259;
it builds nothing but what it is asked for. So that no single step holds the
interpreter lock for long, it looks at a window of the bytes at a time. A
string may be longer than a window; a key or a number may not (section 9 lets
a parser set such limits).
"""

import codecs
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Self

from . import json_grammar as grammar
from .cancellation import Check, never_cancelled

WINDOW_BYTES = 64 * 1024
DEEPEST_NESTING = 1000
LONGEST_NAME_BYTES = 512


class NotJson(ValueError):
    """The bytes are not a JSON text as RFC 8259 has it."""


class TooDeep(ValueError):
    """Arrays and objects are nested deeper than `DEEPEST_NESTING`."""


class DuplicateKey(ValueError):
    """An object holds a watched key twice, so which value counts is anyone's guess."""


class LoneSurrogate(ValueError):
    """A string holds half a surrogate pair, which UTF-8 cannot spell (RFC 8259 section 8.2)."""


class Span(NamedTuple):
    """Where a value stands: from its first byte to before the one behind it."""

    start: int
    end: int


class JsonReader:
    """A place in a JSON text: always the first byte of a token.

    Each method reads the value that stands there and moves behind it, or
    stays if the value is of another kind. Anything may raise NotJson, and
    `check` is called once a window.

    >>> reader = JsonReader.at_start_of(b'{"a": [1], "b": ["x", "y"]}')
    >>> [reader.string() for key in reader.members({"b"}) for _ in reader.elements()]
    [Span(start=17, end=20), Span(start=22, end=25)]
    >>> reader.expect_end()
    """

    __slots__ = ("_at", "_check", "_check_at", "_text", "_window_bytes")

    def __init__(self, text: bytes, at: int, window_bytes: int, check: Check) -> None:
        self._text = text
        self._at = at
        self._window_bytes = window_bytes
        self._check = check
        self._check_at = at + window_bytes

    @classmethod
    def at_start_of(
        cls, text: bytes, window_bytes: int = WINDOW_BYTES, check: Check = never_cancelled
    ) -> Self:
        """The place of the outermost value of `text`, which must be UTF-8."""
        _check_utf8(text, window_bytes)
        reader = cls(text, 0, window_bytes, check)
        reader._pass_space()
        return reader

    @property
    def is_at_object(self) -> bool:
        return self._is_at(b"{")

    def bookmark(self) -> "JsonReader":
        """A reader at the same place, to come back to it."""
        return JsonReader(self._text, self._at, self._window_bytes, self._check)

    def expect_end(self) -> None:
        """Raise NotJson unless the text ends here."""
        if self._at != len(self._text):
            raise NotJson

    def members(self, watched: AbstractSet[str]) -> Iterator[str]:
        """Yield each watched key of the object here, standing at its value.

        A value that the caller leaves is passed over. Raises DuplicateKey
        where a watched key comes twice, however it is spelt.
        """
        found = self._take(grammar.OBJECT_OPENING)
        seen: set[str] = set()
        while found is not None and (literal := found[1]):
            key, value_at = _characters(literal), self._at
            if key in watched:
                if key in seen:
                    raise DuplicateKey
                seen.add(key)
                yield key
            if self._at == value_at:
                self.skip()
            found = self._expect(grammar.OBJECT_GOES_ON)

    def elements(self) -> Iterator[int]:
        """Yield the index of each element of the array here, standing at it.

        An element that the caller leaves is passed over.
        """
        opening = self._take(grammar.ARRAY_OPENING)
        if opening is None or opening[1]:
            return
        for index in itertools.count():
            element_at = self._at
            yield index
            if self._at == element_at:
                self.skip()
            if self._expect(grammar.ARRAY_GOES_ON)[1]:
                return

    def string(self) -> Span | None:
        """Pass the string here and say where it stands, quotes included."""
        if short := self._take(grammar.STRING):
            return Span(*short.span(1))
        return self._long_string() if self._is_at(b'"') else None

    def name(self) -> str | None:
        """Read the string here if it is short enough to be a name, and Unicode."""
        found = self._take(grammar.STRING)
        if found is None or len(found[1]) > LONGEST_NAME_BYTES:
            return None
        try:
            return _read(found[1])
        except LoneSurrogate:
            return None

    def value(self) -> Span:
        """Pass the value here, whatever it is, and say where it and the space behind it stand."""
        start = self._at
        self.skip()
        return Span(start, self._at)

    def skip(self) -> None:
        """Pass the value here, whatever it is and however deep."""
        open_containers: list[grammar.Container] = []
        while True:
            if self._take(grammar.FLAT_VALUE) is None:
                if not self._is_at(b'"'):
                    self._enter(open_containers)
                    continue
                self._long_string()
            while open_containers and self._take(open_containers[-1].closing):
                open_containers.pop()
            if not open_containers:
                return
            self._step(open_containers[-1].comma, open_containers[-1])

    def _enter(self, open_containers: list[grammar.Container]) -> None:
        if len(open_containers) == DEEPEST_NESTING:
            raise TooDeep
        # A container without members is flat, so one that is entered has some.
        container = grammar.OBJECT if self.is_at_object else grammar.ARRAY
        self._step(container.opening, container)
        open_containers.append(container)

    def _step(self, delimiter: re.Pattern[bytes], container: grammar.Container) -> None:
        self._expect(delimiter)
        self._expect(container.key)

    def _is_at(self, byte: bytes) -> bool:
        return self._text.startswith(byte, self._at)

    def _long_string(self) -> Span:
        start, at = self._at, self._at + 1
        while (end := self._end_of(grammar.CHARACTERS, at)) > at:
            at = end
        if not self._text.startswith(b'"', at):
            raise NotJson
        self._at = at + 1
        self._pass_space()
        return Span(start, at + 1)

    def _expect(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        # Every loop over the members of something comes by here.
        if self._at >= self._check_at:
            self._check_at = self._at + self._window_bytes
            self._check()
        found = self._take(pattern)
        if found is None:
            raise NotJson
        return found

    def _take(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        window_end = self._at + self._window_bytes
        found = pattern.match(self._text, self._at, window_end)
        if found is not None:
            self._at = end = found.end()
            if end == window_end:
                self._pass_space()
        return found

    def _pass_space(self) -> None:
        while (end := self._end_of(grammar.SPACE, self._at)) > self._at:
            self._at = end

    def _end_of(self, pattern: re.Pattern[bytes], at: int) -> int:
        found = pattern.match(self._text, at, at + self._window_bytes)
        return at if found is None else found.end()


def read_string(text: bytes, span: Span) -> str:
    r"""The characters of the string literal at `span`; raises LoneSurrogate.

    >>> read_string(rb'["caf\u00e9"]', Span(1, 12))
    'café'
    """
    return _read(text[span.start : span.end])


def write_string(characters: str) -> bytes:
    """A string literal for `characters`, in UTF-8, escaping only what must be."""
    return json.dumps(characters, ensure_ascii=False).encode()


def splice(text: bytes, replacements: Iterable[tuple[Span, bytes]]) -> bytes:
    """`text` with the given spans, in order and apart, replaced; all other bytes as they are."""
    view = memoryview(text)
    pieces: list[bytes | memoryview] = []
    copied = 0
    for span, replacement in replacements:
        pieces += view[copied : span.start], replacement
        copied = span.end
    pieces.append(view[copied:])
    return b"".join(pieces)


def _check_utf8(text: bytes, window_bytes: int) -> None:
    if text.isascii():
        return
    view, at = memoryview(text), 0
    try:
        while at < len(text):
            is_last = at + window_bytes >= len(text)
            _, length = codecs.utf_8_decode(view[at : at + window_bytes], "strict", is_last)
            at += length
    except UnicodeDecodeError as error:
        raise NotJson from error


def _read(literal: bytes) -> str:
    characters = _characters(literal)
    try:
        characters.encode()
    except UnicodeEncodeError as error:
        raise LoneSurrogate from error
    return characters


def _characters(literal: bytes) -> str:
    if b"\\" not in literal:
        return literal[1:-1].decode()
    characters: str = json.loads(literal.decode())
    return characters
