"""Ranges of characters in a text, and what those who look for them share."""

from collections.abc import Iterable

import regex

Span = tuple[int, int]
"""Where a range begins and where it has ended, as in a slice."""

BLANK_LINES = r"(?:\r\n?+|\n)(?:[ \t]*+[\r\n])++"
"""The pattern of what ends a paragraph."""


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same characters in as few spans as will do: sorted, apart, none empty.

    >>> merged([(4, 6), (0, 2), (2, 3)])
    ((0, 3), (4, 6))
    """
    apart: list[Span] = []
    for start, end in sorted(spans):
        if start == end:
            continue
        if apart and start <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(apart[-1][1], end))
        else:
            apart.append((start, end))
    return tuple(apart)


_BEHIND = regex.compile(r"[^\w\s]*+\s?")


def set_apart(text: str, span: Span) -> Span:
    """The span with what keeps it apart: no letter of a word beyond may come to touch it.

    >>> set_apart("To Elm, now", (3, 6))
    (2, 8)
    """
    start, end = span
    if start and not text[start].isspace():
        start -= 1
    behind = None if text[end - 1].isspace() else _BEHIND.match(text, end)
    return start, behind.end() if behind else end
