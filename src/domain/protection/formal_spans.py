"""Where a text holds what machines read: code, JSON and URLs."""

from collections.abc import Iterator, Sequence

import regex
from attrs import frozen

from .text_spans import BLANK_LINES, Span

# CommonMark 0.31 section 4.5, except that a fence may also stand in a list or
# a block quote: what comes before it on its line is counted as indentation.
_FENCE_LINE = regex.compile(
    r"(?:\A|[\r\n])"
    r"(?P<indent>[ \t>]*+(?P<item>(?:[-*+]|[0-9]{1,9}[.)])[ \t]++)?+)"
    r"(?P<fence>`{3,}+|~{3,}+)"
    r"(?P<info>[^\r\n]*+)"
)
_DEEPEST_FENCE_INDENT = 3


def code_spans(text: str) -> Iterator[Span]:
    outside = 0
    for start, end in _fenced_blocks(text):
        yield from _inline_code(text, outside, start)
        yield start, end
        outside = end
    yield from _inline_code(text, outside, len(text))


def _fenced_blocks(text: str) -> Iterator[Span]:
    """Each block with the line breaks around it, without which it would not be one."""
    opening: regex.Match[str] | None = None
    for line in _FENCE_LINE.finditer(text):
        if opening is None:
            if _opens_block(line):
                opening = line
        elif _closes_block(line, opening):
            yield opening.start(), min(line.end() + 1, len(text))
            opening = None
    if opening is not None:
        yield opening.start(), len(text)


def _opens_block(line: regex.Match[str]) -> bool:
    return line["fence"][0] == "~" or "`" not in line["info"]


def _closes_block(line: regex.Match[str], opening: regex.Match[str]) -> bool:
    return (
        line["fence"].startswith(opening["fence"])
        and not line["item"]
        and not line["info"].strip(" \t")
        and _width(line["indent"]) <= _width(opening["indent"]) + _DEEPEST_FENCE_INDENT
    )


def _width(indent: str) -> int:
    return len(indent.expandtabs(4))


@frozen
class _Backticks:
    """A run of backticks: all of them may close a span, those not escaped open one."""

    end: int
    length: int
    unescaped: int


_BACKTICKS_OR_BLANK_LINES = regex.compile(rf"(?<!\\)(?P<escapes>\\*+)(?P<ticks>`++)|{BLANK_LINES}")


def _inline_code(text: str, start: int, end: int) -> Iterator[Span]:
    """Code spans of CommonMark 0.31 section 6.1; none reaches over a blank line."""
    runs: list[_Backticks] = []
    for match in _BACKTICKS_OR_BLANK_LINES.finditer(text, start, end):
        if match["ticks"]:
            length = len(match["ticks"])
            escaped = len(match["escapes"]) % 2
            runs.append(_Backticks(match.end(), length, length - escaped))
        else:
            yield from _paired(runs)
            runs.clear()
    yield from _paired(runs)


def _paired(runs: Sequence[_Backticks]) -> Iterator[Span]:
    closers = _closers(runs)
    current = 0
    while current < len(runs):
        closer = closers[current]
        if closer is None:
            current += 1
        else:
            yield runs[current].end - runs[current].unescaped, runs[closer].end
            current = closer + 1


def _closers(runs: Sequence[_Backticks]) -> list[int | None]:
    """For each run the next one of its length, found from the end in one pass."""
    next_of_length: dict[int, int] = {}
    closers: list[int | None] = []
    for index in reversed(range(len(runs))):
        run = runs[index]
        closers.append(next_of_length.get(run.unescaped))
        next_of_length[run.length] = index
    closers.reverse()
    return closers


_SPACE = r"[ \t\n\r]*+"
_STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*+"'
_NUMBER = r"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
_SCALAR = rf"(?:{_STRING}|{_NUMBER}|true|false|null)"
_KEY = rf"{_STRING}{_SPACE}:{_SPACE}"


def _up_to_bracket(closing: str, *, key: str = "", before: str = "") -> regex.Pattern[str]:
    """The rest of a container up to the next bracket: its own or that of an inner one."""
    return regex.compile(
        rf"{_SPACE}(?:{closing}|{before}(?:{key}{_SCALAR}{_SPACE},{_SPACE})*+{key}"
        rf"(?:{_SCALAR}{_SPACE}{closing}|(?P<opens>[\[{{])))"
    )


_COMMA = rf",{_SPACE}"
_AFTER_OPENING = {"[": _up_to_bracket(r"\]"), "{": _up_to_bracket(r"\}", key=_KEY)}
_AFTER_INNER = {
    "[": _up_to_bracket(r"\]", before=_COMMA),
    "{": _up_to_bracket(r"\}", key=_KEY, before=_COMMA),
}
_OPENING_BRACKET = regex.compile(r"[\[{]")


def embedded_json_spans(text: str) -> Iterator[Span]:
    """Each object or array of RFC 8259, the outermost and first where several would do."""
    ends: dict[int, int | None] = {}
    position = 0
    while bracket := _OPENING_BRACKET.search(text, position):
        start = bracket.start()
        if start not in ends:
            _find_ends(text, start, ends)
        end = ends.pop(start)
        if end is not None:
            yield start, end
        position = end or start + 1


def _find_ends(text: str, start: int, ends: dict[int, int | None]) -> None:
    """Note where the container at `start` and each one within it ends, or None.

    Every bracket is followed at most once as structure. A later start lies
    within what was read as a string, takes strings for structure and structure
    for strings, and breaks off where the two readings would agree: no
    character is read more than twice.
    """
    open_at = [start]
    position = start + 1
    follows = _AFTER_OPENING
    while open_at:
        match = follows[text[open_at[-1]]].match(text, position)
        if match is None:
            ends.update(dict.fromkeys(open_at))
            return
        position = match.end()
        if match["opens"]:
            open_at.append(position - 1)
            follows = _AFTER_OPENING
        else:
            ends[open_at.pop()] = position
            follows = _AFTER_INNER


# A URL holds punctuation and brackets, yet does not end with the comma after it
# or the bracket around it: punctuation counts if more follows, brackets in pairs.
_URL_REST = (
    r"(?:[.,;:!?*~]*+"
    r'(?:[\w\-/#@$&+=%]|\([^\s()<>"]*+\)|\[[^\s\[\]<>"]*+\]|\{[^\s{}<>"]*+\}))++'
)
_URL = regex.compile(
    # Looking back from the rare "://" and "@" spares a look at every word.
    rf"://(?<=(?P<start>[A-Za-z][A-Za-z0-9+.\-]{{1,30}})://){_URL_REST}"
    # RFC 5321 section 4.5.3.1.1 allows 64 characters before the "@".
    r"|@(?<=(?P<start>(?:mailto:)?[\p{Latin}0-9._%+\-]{1,64})@)"
    rf"[\w\-]++(?:\.[\w\-]++)++(?:{_URL_REST})?+"
    rf"|(?P<start>)(?<![\w.])www\.{_URL_REST}"
)


def url_spans(text: str) -> Iterator[Span]:
    """URLs of any scheme, `www.` without one, and e-mail addresses."""
    return ((match.start("start"), match.end()) for match in _URL.finditer(text))
