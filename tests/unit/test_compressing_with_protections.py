"""What compression leaves alone where it is asked to protect."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import partial

import regex
from hypothesis import example, given
from hypothesis import strategies as st
from tests.protected_texts import fragments, json_documents, kinds, unmarked

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.text import CompressedText, compress_text
from openai_proxy.domain.protection.protections import PROTECTIONS, protect, strip_keep_tags

NUMBER = regex.compile(r"\p{N}+(?:[.,]\p{N}+)*")


PROSE = "The carrier said it would try again on the next working day and left a card."

prose = st.lists(st.sampled_from(PROSE.split()), min_size=10, max_size=40).map(" ".join)
mixed_texts = st.lists(prose | fragments.filter("\ud800".__ne__), max_size=20).map(" ".join)
keep_ratios = st.integers(1, 9).map(lambda tenths: KeepRatio(Fraction(tenths, 10)))
compressors = st.builds(
    partial,
    st.just(compress_text),
    keep_ratio=keep_ratios,
    tokenizer=st.sampled_from(["gpt-4o", "gpt-4"]).map(tokenizer_for),
    strategy=st.sampled_from(["uniform", "words", "weighted"]),
)
Compressor = Callable[..., CompressedText]
counted_things = st.lists(
    st.builds(
        "{}{}{}".format,
        st.integers(0, 9999) | st.sampled_from(["10kg", "5%", "1,234.50"]),
        st.sampled_from([" ", "-", "/", ", ", ".\n", " (", ": "]),
        st.sampled_from(["Stunden", "eingabegerät", "unbelievable", "sondages"]),
    ),
    max_size=20,
).map(" ".join)
PROTECTED = [
    "https://example.org/path?q=deep",
    "www.example.org",
    "ann@example.org",
    "`run_all()`",
    '{"id": 7}',
    '"over and over"',
    "<keep>Qatar</keep>",
]
between_words = st.lists(
    st.builds(
        "{}{}{}{}{}".format,
        st.sampled_from(["Stunden", "eingabegerät", "unbelievable", "sondages"]),
        st.sampled_from([" ", "\n", " (", ": "]),
        st.sampled_from(PROTECTED),
        st.sampled_from([" ", ", ", ".\n", "). ", ": "]),
        st.sampled_from(["Stunden", "eingabegerät", "unbelievable", "sondages"]),
    ),
    max_size=20,
).map(" ".join)
WITH_NEIGHBOURS = regex.compile(
    "[\\w`]*(?:"
    + "|".join(regex.escape(regex.sub("</?keep>", "", one)) for one in PROTECTED)
    + ")[\\w`]*"
)
WITH_DIGITS = regex.compile(r"[^\W_]*\d[^\W_]*")


def contains_in_order(text: str, parts: Iterable[str]) -> bool:
    position = 0
    for part in parts:
        position = text.find(part, position) + len(part)
        if position < len(part):
            return False
    return True


class TestCompressingWithProtections:
    @given(compressors, mixed_texts, kinds)
    def test_keeps_every_protected_span_in_order(
        self, compress: Compressor, text: str, kinds: frozenset[str]
    ) -> None:
        found = protect(text, kinds)

        compressed = compress(text, protect=kinds)

        spans = (found.text[start:end] for start, end in found.spans)
        assert contains_in_order(compressed.text, spans)

    @given(compressors, json_documents)
    def test_returns_a_json_document_as_it_was(self, compress: Compressor, document: str) -> None:
        compressed = compress(document, protect=frozenset({"json"}))

        assert compressed.text == document

    @given(compressors, prose, json_documents, prose)
    def test_leaves_the_json_in_a_text_what_it_was(
        self, compress: Compressor, before: str, document: str, after: str
    ) -> None:
        compressed = compress(f"{before}\n{document}\n{after}", protect=frozenset({"json"}))

        assert compressed.tokens_billed < compressed.tokens_before
        assert document in compressed.text

    @given(compressors, mixed_texts)
    def test_makes_no_number_of_two(self, compress: Compressor, text: str) -> None:
        compressed = compress(text, protect=frozenset({"numbers"}))

        assert NUMBER.findall(compressed.text) == NUMBER.findall(text)

    @given(compressors, counted_things)
    @example(
        partial(compress_text, keep_ratio=KeepRatio(Fraction(1, 5)), tokenizer=tokenizer_for("")),
        "Die 24-Stunden-Uhr und die 24 Stunden der Uhr",
    )
    def test_leaves_no_part_of_a_word_stuck_to_a_number(
        self, compress: Compressor, text: str
    ) -> None:
        compressed = compress(text, protect=frozenset({"numbers"}))

        assert WITH_DIGITS.findall(compressed.text) == WITH_DIGITS.findall(text)

    @given(compressors, between_words)
    def test_leaves_no_part_of_a_word_stuck_to_what_is_protected(
        self, compress: Compressor, text: str
    ) -> None:
        compressed = compress(text, protect=frozenset(PROTECTIONS))

        stripped = strip_keep_tags(text).text
        found = WITH_NEIGHBOURS.findall(stripped)
        assert WITH_NEIGHBOURS.findall(compressed.text) == found

    @given(compressors, st.lists(st.tuples(prose, unmarked), min_size=1, max_size=3))
    def test_removes_the_tags_and_keeps_what_they_hold(
        self, compress: Compressor, pairs: list[tuple[str, str]]
    ) -> None:
        tagged = "".join(f"{plain} <keep>{kept}</keep> " for plain, kept in pairs)

        compressed = compress(tagged, protect=frozenset({"tags"}))

        assert "<keep>" not in compressed.text
        assert "</keep>" not in compressed.text
        assert contains_in_order(compressed.text, (kept for _, kept in pairs))
