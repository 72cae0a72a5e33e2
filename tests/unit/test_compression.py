"""What removal promises of every text: whole characters, honest counts, an answer in any case."""

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Any

import pytest
import regex
from attrs import frozen
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fakes import FakeTokenizer
from tests.oracle import thinned
from tests.strategies import any_texts, keep_ratios, long_texts, texts

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.keep_ratio import KEEP_ALL, KeepRatio
from openai_proxy.domain.compression.strategies import BUILT_IN, UnknownStrategy
from openai_proxy.domain.compression.text import CompressedText, compress_text
from openai_proxy.domain.compression.tokenizer import Tokenizer
from openai_proxy.domain.compression.units import Units
from openai_proxy.domain.protection.protections import PROTECTIONS

FAKE = FakeTokenizer()
O200K = tokenizer_for("gpt-4o")
CL100K = tokenizer_for("gpt-4")
HALF = KeepRatio(Fraction(1, 2))
FLAG = "\U0001f1e9\U0001f1ea"
ASTRONAUT = "\U0001f469\u200d\U0001f680"

tokenizers: st.SearchStrategy[Tokenizer] = st.sampled_from([FAKE, O200K, CL100K])
strategies = st.sampled_from(sorted(BUILT_IN))
methods = st.fixed_dictionaries(
    {
        "strategy": strategies,
        "salt": st.binary(max_size=100),
        "protect": st.frozensets(st.sampled_from(PROTECTIONS)),
    }
)


def count(text: str, tokenizer: Tokenizer) -> int:
    return len(tokenizer.encode(text, disallowed_special=()))


@frozen
class FaultyStrategy:
    """Leaves out the beginning, or orders too little, or what is not there, or nothing."""

    starts_with: int = 0
    orders: Sequence[int] | None = None
    name: str = "faulty"

    def starts(self, units: Units) -> Sequence[int]:
        return range(self.starts_with, len(units))

    def order(self, units: Units, draws: Sequence[int]) -> Sequence[int]:
        if self.orders is None:
            raise RuntimeError(units, draws)
        return self.orders


class TestTheResult:
    """It joins whole units of the original in their order, and its tokens are counted, not assumed."""

    @given(texts | long_texts, keep_ratios, tokenizers, st.binary(max_size=64))
    @example(f"{FLAG} the the", HALF, O200K, b"")
    def test_is_that_of_the_slow_and_readable_twin(
        self, text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer, salt: bytes
    ) -> None:
        compressed = compress_text(text, keep_ratio, tokenizer, salt=salt)

        if compressed.skipped is None:
            assert compressed.text == thinned(text, keep_ratio.share, tokenizer, salt)

    @given(texts, keep_ratios, tokenizers, strategies)
    def test_joins_pieces_of_the_original_in_their_order(
        self, text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer, strategy: str
    ) -> None:
        compressed = compress_text(text, keep_ratio, tokenizer, strategy=strategy)

        pieces = list(compressed.pieces())
        assert "".join(piece for piece, _ in pieces) == text
        assert "".join(piece for piece, kept in pieces if kept) == compressed.text

    @given(texts, keep_ratios, tokenizers, strategies)
    @example("e\u0301" * 9, HALF, O200K, "uniform")
    @example("\r\n" * 9, HALF, FAKE, "uniform")
    @example(f"{ASTRONAUT}{FLAG}" * 9, HALF, CL100K, "uniform")
    def test_never_cuts_what_a_reader_sees_as_one_character(
        self, text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer, strategy: str
    ) -> None:
        compressed = compress_text(text, keep_ratio, tokenizer, strategy=strategy)

        boundaries = {found.end() for found in regex.finditer(r"\X", text)} | {0}
        lengths = (len(piece) for piece, _ in compressed.pieces())
        assert boundaries.issuperset(accumulate(lengths, initial=0))
        assert compressed.text.count("\ufffd") <= text.count("\ufffd")

    @given(texts | long_texts, keep_ratios, tokenizers, strategies)
    def test_has_the_counts_that_anybody_else_would_find(
        self, text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer, strategy: str
    ) -> None:
        compressed = compress_text(text, keep_ratio, tokenizer, strategy=strategy)

        assert compressed.tokens_before == count(text, tokenizer)
        assert compressed.tokens_billed == count(compressed.text, tokenizer)

    @given(texts, keep_ratios, tokenizers, methods)
    def test_is_never_blank_where_the_original_is_not(
        self, text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer, method: Mapping[str, Any]
    ) -> None:
        compressed = compress_text(text, keep_ratio, tokenizer, **method)

        assert bool(compressed.text.strip()) == bool(text.strip())

    @given(texts, keep_ratios, tokenizers, strategies)
    def test_is_smaller_or_the_original_with_a_reason(
        self, text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer, strategy: str
    ) -> None:
        compressed = compress_text(text, keep_ratio, tokenizer, strategy=strategy)

        if compressed.skipped:
            assert compressed.text == text
        else:
            assert compressed.tokens_billed < compressed.tokens_before


class TestLeavingATextAlone:
    """Whatever the text, the tokenizer or the strategy: an answer, and a reason if it is the original."""

    @given(any_texts, keep_ratios, tokenizers, methods)
    def test_every_string_gets_an_answer(
        self, text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer, method: Mapping[str, Any]
    ) -> None:
        compressed = compress_text(text, keep_ratio, tokenizer, **method)

        reasons = {None, "one_token", "blank", "not_smaller", "lone_surrogates"}
        assert compressed.skipped in reasons

    @given(texts, tokenizers, strategies)
    def test_a_keep_ratio_of_one_changes_nothing(
        self, text: str, tokenizer: Tokenizer, strategy: str
    ) -> None:
        tokens = count(text, tokenizer)

        compressed = compress_text(text, KEEP_ALL, tokenizer, strategy=strategy)

        assert compressed == CompressedText(
            text, tokens, tokens, tokens, KEEP_ALL, strategy, "keep_all"
        )

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "one_token"),
            ("Hello", "one_token"),
            (" \n \t \n ", "blank"),
            ("e" + "\u0301" * 40, "not_smaller"),
            ("left \ud800 alone, every word of it", "lone_surrogates"),
        ],
    )
    def test_a_text_that_cannot_shrink_is_returned_with_the_reason(
        self, text: str, reason: str
    ) -> None:
        compressed = compress_text(text, HALF, O200K)

        assert (compressed.text, compressed.skipped) == (text, reason)

    def test_a_tokenizer_that_fails_costs_nothing_but_the_compression(self) -> None:
        compressed = compress_text("one two three", HALF, FailingTokenizer())

        assert compressed == CompressedText(
            "one two three", 0, 0, 0, HALF, "uniform", "tokenizer_failed"
        )

    @pytest.mark.parametrize(
        "faulty",
        [
            FaultyStrategy(),
            FaultyStrategy(starts_with=0, orders=[0]),
            FaultyStrategy(starts_with=0, orders=[7, 8, 9]),
            FaultyStrategy(starts_with=1, orders=[0, 1]),
        ],
    )
    def test_a_faulty_strategy_costs_nothing_but_the_compression(
        self, faulty: FaultyStrategy
    ) -> None:
        compressed = compress_text("one two three", HALF, O200K, strategy=faulty)

        assert compressed == CompressedText(
            "one two three", 3, 3, 3, HALF, "faulty", "strategy_failed"
        )

    def test_the_name_of_no_strategy_is_an_error_of_the_caller(self) -> None:
        with pytest.raises(UnknownStrategy, match="'best' is not one of uniform, words, weighted"):
            compress_text("one two three", HALF, O200K, strategy="best")

    def test_special_tokens_are_plain_text(self) -> None:
        text = "<|endoftext|><|im_start|>user<|endofprompt|>"

        compressed = compress_text(text, HALF, O200K)

        assert compressed.skipped is None
        assert compressed.tokens_before > 10


@frozen
class FailingTokenizer:
    name: str = "failing"

    def encode(self, text: str, *, disallowed_special: Collection[str] = ()) -> list[int]:
        raise ValueError("Regex error while tokenizing", text, disallowed_special)

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        raise AssertionError(tokens)
