"""Where a text holds numbers and quotations, in whatever language."""

# ruff: noqa: RUF001 - quotation marks and signs of all languages are its subject

from collections import Counter
from collections.abc import Iterator

import regex

from .text_spans import BLANK_LINES, Span

# East and South-East Asian scripts write on without a space, so a letter beside
# a number or a mark says less there than in "10kg" or in "don't".
_WORD_CHARACTER = (
    r"[[\p{L}\p{M}\p{N}]--[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}"
    r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]]"
)

_JOINERS = r".,:/\-–−+_'’^·٫٬\u00a0\u2009\u202f"
_NUMBER_IN_TEXT = regex.compile(
    # Sign and currency, and the character before them: should all words between
    # two numbers go, it is what keeps "3 apples, 4 pears" from becoming "34".
    rf"\p{{N}}(?<=(?P<lead>[^\p{{N}}{_JOINERS}]?[{_JOINERS}]{{0,2}}\p{{Sc}}?)\p{{N}})"
    # Digits and letters, as in 2024-01-15T10:30Z, 1,234.56, 0x1F, 10kg or 1.2.3-rc1.
    rf"(?:{_WORD_CHARACTER}|[{_JOINERS}](?=[A-Za-z]{{0,4}}+\p{{N}}))*+"
    # The sign of a unit, as in 5%, 20°C or 3€, or a counter, as in 3個.
    r"(?:[%٪％‰′″°]\p{L}?|[\p{Sc}℃℉]|\p{L})?"
    # What stands behind it, so that "24-hour" and "24 hours" do not become "24ours".
    r"[^\p{L}\p{M}\p{N}]?",
    regex.V1,
)


def number_spans(text: str) -> Iterator[Span]:
    return ((match.start("lead"), match.end()) for match in _NUMBER_IN_TEXT.finditer(text))


# For each closing mark those that it closes: “English”, „Deutsch“, »dansk«, ”svenska”.
_OPENERS = {
    '"': '"',
    "'": "'",
    "”": "“„”",
    "“": "„",
    "’": "‘‚",
    "‘": "‚",
    "»": "«»",
    "«": "»",
    "›": "‹›",
    "‹": "›",
    "」": "「",
    "』": "『",
    "》": "《",
    "｣": "｢",
    "〞": "〝",
    "〟": "〝",
    "＂": "＂",
}
_OPENING_MARKS = frozenset("".join(_OPENERS.values()))
# Apostrophes, inches and marks that do both open only before a word and close only after one.
_OPENING_BEFORE_A_WORD = frozenset("\"'”»›")
_CLOSING_AFTER_A_WORD = frozenset("\"'’")

_MARK_OR_BLANK_LINES = regex.compile(
    f"[{''.join(sorted(_OPENING_MARKS.union(_OPENERS)))}]|{BLANK_LINES}"
)
_BEFORE_A_WORD = regex.compile(rf"(?<!{_WORD_CHARACTER}).(?=\S)", regex.V1)
_AFTER_A_WORD = regex.compile(rf"(?<=\S).(?!{_WORD_CHARACTER})", regex.V1)


def quotation_spans(text: str) -> Iterator[Span]:
    """Quotations with their marks; none reaches over a blank line."""
    open_marks: list[tuple[str, int]] = []
    waiting: Counter[str] = Counter()
    for match in _MARK_OR_BLANK_LINES.finditer(text):
        mark, position = match[0], match.start()
        openers = _OPENERS.get(mark, "")
        if len(mark) > 1:
            open_marks.clear()
            waiting.clear()
        elif any(map(waiting.get, openers)) and _may_close(text, position):
            yield _opened_at(openers, open_marks, waiting), position + 1
        elif mark in _OPENING_MARKS and _may_open(text, position):
            open_marks.append((mark, position))
            waiting[mark] += 1


def _opened_at(openers: str, open_marks: list[tuple[str, int]], waiting: Counter[str]) -> int:
    """Take the last of `openers` from the open marks, with all that stayed open within."""
    while True:
        mark, position = open_marks.pop()
        waiting[mark] -= 1
        if mark in openers:
            return position


def _may_open(text: str, position: int) -> bool:
    anywhere = text[position] not in _OPENING_BEFORE_A_WORD
    return anywhere or _BEFORE_A_WORD.match(text, position) is not None


def _may_close(text: str, position: int) -> bool:
    anywhere = text[position] not in _CLOSING_AFTER_A_WORD
    return anywhere or _AFTER_A_WORD.match(text, position) is not None
