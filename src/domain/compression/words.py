"""Where the words of a text begin, and how much each of them says."""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import pairwise
from typing import Final

import regex

from .function_words import (
    FUNCTION_CHARACTERS,
    FUNCTION_WORDS,
    NEGATION_CHARACTERS,
    NEGATION_ENDINGS,
    NEGATIONS,
    TELLING_WORDS,
)
from .units import Units

LONGEST_WORD: Final = 16
"""How many units make a word at most, so that a line without spaces is not one word."""

SHORTEST_NAME: Final = 4
"""Where capitals show no names, shorter words are not taken for one."""

LONGEST_PHRASE: Final = 4
"""How many characters of a script without spaces stay or go together at most."""

GRAMMAR: Final = 1
LITTLE: Final = 1 << 3
CONTENT: Final = 1 << 17
LONG: Final = 1 << 20
NAME: Final = 1 << 21
SYMBOL: Final = 1 << 22
FACT: Final = 1 << 27
"""How much a word says, by kind: far enough apart that each nearly always goes before the next.

LONG are words of scripts without case, in which nothing else tells a name, and
SYMBOL what programs name.
"""

WITHOUT_SPACES: Final = r"\p{Han}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
"""Scripts of which any run of characters may be one word or several."""

_LETTER = rf"[\w--[{WITHOUT_SPACES}\p{{Hiragana}}]]"
WORD: Final = regex.compile(
    rf"(?P<dense>[{WITHOUT_SPACES}]+)|(?P<hiragana>\p{{Hiragana}}+)"
    rf"|(?P<word>{_LETTER}+(?:['’]{_LETTER}+)*)",  # noqa: RUF001 - an apostrophe, too
    regex.V1,
)
"""A word, or a run of characters where no spaces are written."""

IDENTIFIER: Final = regex.compile(
    r"\b[A-Za-z_]\w*(?:_\w+|[a-z][A-Z]\w*)|\b_\w+|\b[A-Za-z]\w*(?=\()", regex.ASCII
)
"""What programs give to things: snake_case, camelCase, and what stands before a bracket."""

NEGATION_IN_DENSE: Final = regex.compile(f"[{''.join(sorted(NEGATION_CHARACTERS))}]")
NEGATION_IN_HIRAGANA: Final = regex.compile("|".join(NEGATION_ENDINGS))

_IN_NEGATIONS = frozenset("".join(NEGATION_ENDINGS))

# Scripts that are written without spaces, and symbols that are words by themselves.
_STANDS_ALONE = regex.compile(
    r"[[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
    r"\p{Extended_Pictographic}\p{Regional_Indicator}]--[\x00-\x7F]]",
    regex.V1,
)
_ONE_SCRIPT = regex.compile(
    r"\s*+(?:(?P<han>\p{Han}+)|(?P<katakana>[\p{Katakana}ー]+)|(?P<thai>\p{Thai}+)"
    r"|(?P<lao>\p{Lao}+)|(?P<khmer>\p{Khmer}+)|(?P<myanmar>\p{Myanmar}+))"
)
_SYLLABLE = regex.compile(r"[\p{Katakana}\p{Hangul}]")
_DIGIT = re.compile(r"\d")

_REMEMBERED = 1 << 14


def word_starts(units: Units) -> Sequence[int]:
    """Where words begin: at white space, and before and after what is a word by itself."""
    return _word_starts(units.texts, _standing_alone(units.texts))


def phrase_starts(units: Units) -> Sequence[int]:
    """Where words begin, with what belongs together in scripts without spaces as one word.

    That are a few characters that go on without grammar between them, an
    ending like ません in two units, and a number with the unit before it and
    the counter behind it: of 第3章と第4章 there would otherwise be left 34.
    """
    texts, alone = units.texts, _standing_alone(units.texts)
    starts = _word_starts(texts, alone)
    if not alone:
        return starts
    scripts = {text: _script_of_content(text) for text in alone}
    phrases = [0]
    for start in starts[1:]:
        before, text = texts[start - 1], texts[start]
        if text[0].isspace():
            goes_on = False
        elif (script := scripts.get(text)) and script == scripts.get(before):
            letters = sum(map(len, texts[phrases[-1] : start + 1]))
            goes_on = letters <= LONGEST_PHRASE
        elif text[0] in _IN_NEGATIONS and not before[-1].isdigit():
            goes_on = _negate_together("".join(texts[phrases[-1] : start]), text)
        else:
            counts = text in alone and before[-1].isdigit()
            leads = before in alone and text[0].isdigit() and phrases[-1] == start - 1
            goes_on = counts or leads
        if not goes_on:
            phrases.append(start)
    return phrases


def _negate_together(phrase: str, text: str) -> bool:
    joined = phrase + text
    return any(
        ending.startswith(joined)
        or (ending in joined and ending not in phrase and ending not in text)
        for ending in NEGATION_ENDINGS
    )


def _standing_alone(texts: Sequence[str]) -> AbstractSet[str]:
    distinct = set(texts)
    signs = frozenset(_STANDS_ALONE.findall("".join(distinct)))
    return {text for text in distinct if not signs.isdisjoint(text)}


def _word_starts(texts: Sequence[str], alone: AbstractSet[str]) -> list[int]:
    opening = alone | {text for text in set(texts) if text[0].isspace()}
    starts, latest = [0], 0
    for index, (before, text) in enumerate(pairwise(texts), 1):
        if text in opening or before in alone or index - latest == LONGEST_WORD:
            starts.append(index)
            latest = index
    return starts


@lru_cache(_REMEMBERED)
def _script_of_content(text: str) -> str | None:
    found = _ONE_SCRIPT.fullmatch(text) if CONTENT <= says(text) < NAME else None
    return found and found.lastgroup


@lru_cache(_REMEMBERED)
def says(text: str) -> int:
    """How much is said by a few words together: as much as by the one that says most.

    >>> says(" of") < says(" +") < says(" river") < says(" Ganges") < says(" max_depth")
    True
    >>> says(" max_depth") < says(" not") == says(" 7th")
    True
    """
    if _DIGIT.search(text):
        return FACT
    nothing = GRAMMAR if text.isspace() else LITTLE
    said = max(map(_word_says, WORD.finditer(text)), default=nothing)
    return SYMBOL if LITTLE <= said < FACT and IDENTIFIER.search(text) else said


def _word_says(found: "regex.Match[str]") -> int:
    word = found[0]
    if found.lastgroup == "dense":
        if NEGATION_IN_DENSE.search(word):
            return FACT
        return (
            GRAMMAR if word in FUNCTION_WORDS or FUNCTION_CHARACTERS.issuperset(word) else CONTENT
        )
    if found.lastgroup == "hiragana":
        if NEGATION_IN_HIRAGANA.search(word):
            return FACT
        return GRAMMAR if len(word) == 1 else LITTLE
    return _spaced_word_says(word)


def _spaced_word_says(word: str) -> int:
    if is_negation(word):
        return FACT
    if len(word) > 1 and word.isupper():  # An acronym, even if it is spelt like "it" or "us".
        return NAME
    if word.casefold() in FUNCTION_WORDS:
        return LITTLE if word.casefold() in TELLING_WORDS else GRAMMAR
    if len(word) == 1 and not _SYLLABLE.match(word):
        return LITTLE
    if word[0].isupper():
        return NAME
    may_be_name = not word[0].islower() and len(word) >= SHORTEST_NAME
    return LONG if may_be_name else CONTENT


def is_negation(word: str) -> bool:
    """Whether a word written with spaces around it turns a statement into its opposite."""
    return word.casefold().replace("’", "'") in NEGATIONS  # noqa: RUF001 - another apostrophe
