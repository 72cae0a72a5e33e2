"""What a text says that can be looked for afterwards, and how much of it is still there.

A fact survives if all of its characters stay and no letter or digit has come
to touch it: of `3 apples, 14 pears` the text `314 pears` keeps neither number.

numbers        with their points, commas, colons and hyphens: 1,234.56 or 2024-01-15
names          capitalised words that do not begin a sentence, and wherever else they
               stand; in German that is every noun, and scripts without case have none
negations      no, nicht, нет, не, 不 and others, of the languages in NEGATIONS
identifiers    of programs: snake_case, camelCase, and what stands before a bracket
content_words  words that are not grammar; in scripts without spaces each pair of
               characters, as search engines have it, hiragana left out
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import regex
from attrs import frozen

from ..compression.function_words import FUNCTION_CHARACTERS, FUNCTION_WORDS
from ..compression.words import (
    IDENTIFIER,
    NEGATION_IN_DENSE,
    NEGATION_IN_HIRAGANA,
    WITHOUT_SPACES,
    WORD,
    is_negation,
)
from ..protection.text_spans import Span

_NUMBER = regex.compile(r"\p{N}+(?:[.,:/\-\u066b\u066c]\p{N}+)*")
_SPACED_LETTER = rf"[[\p{{L}}\p{{M}}]--[{WITHOUT_SPACES}\p{{Hiragana}}\p{{Katakana}}]]"
_CAPITALISED_WORD = rf"\p{{Lu}}{_SPACED_LETTER}+"
_NAME = regex.compile(
    rf"(?<=[\p{{L}}\p{{M}}\p{{N}},;] ){_CAPITALISED_WORD}(?: {_CAPITALISED_WORD})*", regex.V1
)
_CAPITALISED = regex.compile(rf"(?<![_\p{{N}}]|{_SPACED_LETTER}){_CAPITALISED_WORD}", regex.V1)
_GRAPHEME = regex.compile(r"\X")

_GRAMMAR: Final = FUNCTION_WORDS | FUNCTION_CHARACTERS

QUARTERS: Final = 4
FEWEST_WORDS_IN_QUARTERS: Final = 2 * QUARTERS
"""Content words that a text must have for its quarters to mean anything."""


@frozen
class Survival:
    """How many facts of a kind a text had, and how many of them it still has."""

    found: int = 0
    survived: int = 0

    @property
    def share(self) -> float | None:
        """None if there was nothing to lose."""
        return self.survived / self.found if self.found else None

    def __add__(self, other: "Survival") -> "Survival":
        return Survival(self.found + other.found, self.survived + other.survived)


@frozen
class Facts:
    """A text, and where it says what."""

    text: str
    spans: Mapping[str, Sequence[Span]]

    @classmethod
    def of(cls, text: str) -> "Facts":
        """Find the facts of every kind."""
        return cls(text, MappingProxyType({kind: [*find(text)] for kind, find in KINDS.items()}))

    def survivors(self, kept: bytes) -> "Survivors":
        """Which of them survive; `kept` has a byte for each character, 1 if it stays."""
        return Survivors(
            {
                kind: [
                    kept.find(0, start, end) < 0 and self._stands_apart(start, end, kept)
                    for start, end in spans
                ]
                for kind, spans in self.spans.items()
            }
        )

    def _stands_apart(self, start: int, end: int, kept: bytes) -> bool:
        """Whether what now stands beside it stood there before, or cannot be taken for a part."""
        text = self.text
        if start and not kept[start - 1]:
            before = kept.rfind(1, 0, start)
            if before >= 0 and _joins(text[before]) and _joins(text[start]):
                return False
        if end < len(text) and not kept[end]:
            after = kept.find(1, end)
            if after >= 0 and _joins(text[after]) and _joins(text[end - 1]):
                return False
        return True


def kept_characters(pieces: Iterable[tuple[str, bool]]) -> bytes:
    """A byte for each character of the pieces, 1 if its piece stays."""
    return b"".join((b"\1" if stays else b"\0") * len(text) for text, stays in pieces)


@frozen
class Survivors:
    """For each fact of each kind, in the order of the text, whether it survives."""

    by_kind: Mapping[str, Sequence[bool]]

    @property
    def counts(self) -> Mapping[str, Survival]:
        return {kind: Survival(len(each), sum(each)) for kind, each in self.by_kind.items()}

    @property
    def worst_quarter(self) -> float | None:
        """The share of content words that survive in the quarter that loses most.

        None if the text has fewer than FEWEST_WORDS_IN_QUARTERS.
        """
        words = self.by_kind["content_words"]
        if len(words) < FEWEST_WORDS_IN_QUARTERS:
            return None
        bounds = [len(words) * quarter // QUARTERS for quarter in range(QUARTERS + 1)]
        return min(sum(words[start:end]) / (end - start) for start, end in pairwise(bounds))


def _joins(character: str) -> bool:
    # Characters of scripts without spaces always touch others.
    return (character.isalnum() or character == "_") and not _STANDS_ALONE.match(character)


_STANDS_ALONE = regex.compile(rf"[{WITHOUT_SPACES}\p{{Hiragana}}]")


def _numbers(text: str) -> Iterator[Span]:
    return (match.span() for match in _NUMBER.finditer(text))


def _names(text: str) -> Iterator[Span]:
    names = {name for match in _NAME.finditer(text) for name in match[0].split(" ")}
    return (match.span() for match in _CAPITALISED.finditer(text) if match[0] in names)


def _negations(text: str) -> Iterator[Span]:
    for match in WORD.finditer(text):
        if match.lastgroup == "word":
            if is_negation(match[0]):
                yield match.span()
        else:
            within = NEGATION_IN_DENSE if match.lastgroup == "dense" else NEGATION_IN_HIRAGANA
            yield from (found.span() for found in within.finditer(text, *match.span()))


def _identifiers(text: str) -> Iterator[Span]:
    return (match.span() for match in IDENTIFIER.finditer(text))


def content_words(text: str, grammar: Container[str] = _GRAMMAR) -> Iterator[Span]:
    """Where the words are that say something by themselves: all but those of `grammar`."""
    for match in WORD.finditer(text):
        if match.lastgroup == "word":
            if is_content_word(match[0], grammar):
                yield match.span()
        elif match.lastgroup == "dense":
            yield from _pairs(text, match.span(), grammar)


def is_content_word(word: str, grammar: Container[str] = _GRAMMAR) -> bool:
    """Whether a word written with spaces around it says something by itself.

    >>> is_content_word("harbour"), is_content_word("The"), is_content_word("1988")
    (True, False, False)
    """
    is_word = len(word) > 1 and not word[0].isdigit()
    return is_word and word.casefold() not in grammar


def _pairs(text: str, span: Span, grammar: Container[str]) -> Iterator[Span]:
    graphemes = [match.span() for match in _GRAPHEME.finditer(text, *span)]
    for (first, middle), (_, last) in pairwise(graphemes):
        if text[first] not in grammar and text[middle] not in grammar:
            yield first, last


KINDS: Final[Mapping[str, Callable[[str], Iterable[Span]]]] = MappingProxyType(
    {
        "numbers": _numbers,
        "names": _names,
        "negations": _negations,
        "identifiers": _identifiers,
        "content_words": content_words,
    }
)
"""What is looked for, and how."""
