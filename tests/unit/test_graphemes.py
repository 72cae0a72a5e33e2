"""A grapheme goes on into a piece of a text where UAX 29 has no boundary before it."""

from itertools import accumulate

import regex
from hypothesis import example, given
from hypothesis import strategies as st

from openai_proxy.domain.compression.graphemes import continuations

# At least one of each kind that UAX 29 tells apart, and of what goes on for long.
CHARACTERS = [
    *("a", "7", " ", "\r", "\n", "\t", "\u200b", "é", "中", "ß"),
    *("\u0301", "\u0308", "\ufe0f", "\u200d", "\u200c", "🏽"),
    *("क", "ष", "\u094d", "\u1cf5", "\u093c", "\u0903", "\u0e33", "\u0e48", "ก"),
    *("\u0600", "\u06dd", "🇩", "🇪", "👩", "🚀", "©", "❤"),
    *("\u1100", "\u1161", "\u11a8", "가", "각"),
]

pieces = st.lists(st.text(CHARACTERS, min_size=1, max_size=3), min_size=1, max_size=30)


@given(pieces)
@example(["क", "\u094d", "\u0301", "ष"])
@example(["🇩"] * 15)
@example(["\u1100", "\u1161", "\u11a8"] * 5)
@example(["👩", "\u200d", "🚀", "\u200d", "👩"])
@example(["\u0600", "a", "\r", "\n", "\u0301"])
@example(["\u1cf5", "क", "\U00011a3a", "\u0915"])
def test_there_is_a_boundary_before_every_piece_that_does_not_continue_one(
    pieces: list[str],
) -> None:
    text = "".join(pieces)
    boundaries = {found.start() for found in regex.finditer(r"\X", text)}

    continued = continuations(pieces)

    starts = accumulate(map(len, pieces[:-1]), initial=0)
    assert [*continued] == [start not in boundaries for start in starts]


@given(st.text(min_size=1))
def test_single_characters_make_up_their_graphemes(text: str) -> None:
    continued = continuations(text)

    assert continued.count(0) == len(regex.findall(r"\X", text))
