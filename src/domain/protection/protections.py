"""Which parts of a text may never be removed, by the kinds of part that a user names.

Each kind is found by one function from a text to spans, total over every
string and linear in its length.
"""

from collections.abc import Callable, Iterable, Iterator

import regex
from attrs import frozen

from .formal_spans import code_spans, embedded_json_spans, url_spans
from .prose_spans import number_spans, quotation_spans
from .text_spans import Span, merged


@frozen
class ProtectedText:
    """A text without the marks of `tags`, and the spans of it that must stay."""

    text: str
    spans: tuple[Span, ...]


def protect(text: str, kinds: frozenset[str]) -> ProtectedText:
    """What compression may work on: the marks of `tags` removed, all `kinds` found.

    >>> protect("<keep>Call me</keep> on 5 May", frozenset({"tags", "numbers"}))
    ProtectedText(text='Call me on 5 May', spans=((0, 7), (10, 13)))
    """
    if "tags" not in kinds:
        return ProtectedText(text, protected_spans(text, kinds))
    stripped = strip_keep_tags(text)
    found = protected_spans(stripped.text, kinds - {"tags"})
    return ProtectedText(stripped.text, merged([*stripped.spans, *found]))


def protected_spans(text: str, kinds: frozenset[str]) -> tuple[Span, ...]:
    """The spans of `text` of any of `kinds`: sorted, apart from one another, not empty.

    Kinds that are not in PROTECTIONS find nothing. What follows a span may
    decide it: a quotation is one only once it is closed.

    >>> protected_spans('Set {"a": 1} now', frozenset({"json"}))
    ((4, 12),)
    """
    return merged(span for kind, find in _FINDERS.items() if kind in kinds for span in find(text))


def strip_keep_tags(text: str) -> ProtectedText:
    """The text without its `<keep>` marks, and what stood between them.

    Pairs may nest. A mark that is never closed reaches to the end, so that
    what a growing text has protected stays protected. A closing mark that
    closes nothing is ordinary text.

    >>> strip_keep_tags("a <keep>b <keep>c</keep></keep> d</keep>")
    ProtectedText(text='a b c d</keep>', spans=((2, 5),))
    """
    pieces: list[str] = []
    spans: list[Span] = []
    length = 0
    for start, end, kept in _tagged_pieces(text):
        pieces.append(text[start:end])
        if kept:
            spans.append((length, length + end - start))
        length += end - start
    return ProtectedText("".join(pieces), merged(spans))


def mark_spans(text: str) -> Iterator[Span]:
    """Where the marks stand that `strip_keep_tags` takes away."""
    behind = 0
    for start, end, _ in _tagged_pieces(text):
        if start > behind:
            yield behind, start
        behind = end


_KEEP_TAG = regex.compile(r"</?keep>")


def _tagged_pieces(text: str) -> Iterator[tuple[int, int, bool]]:
    """The text between the marks, piece by piece, and whether it is to be kept."""
    depth = position = 0
    for tag in _KEEP_TAG.finditer(text):
        opens = tag[0] == "<keep>"
        if not opens and depth == 0:
            continue
        yield position, tag.start(), depth > 0
        position = tag.end()
        depth += 1 if opens else -1
    yield position, len(text), depth > 0


def _tag_spans(text: str) -> Iterator[Span]:
    return ((start, end) for start, end, kept in _tagged_pieces(text) if kept)


_FINDERS: dict[str, Callable[[str], Iterable[Span]]] = {
    "code": code_spans,
    "json": embedded_json_spans,
    "urls": url_spans,
    "numbers": number_spans,
    "quotes": quotation_spans,
    "tags": _tag_spans,
}

PROTECTIONS = tuple(_FINDERS)
"""The kinds of spans that can be protected."""
