"""What is protected stays, and the rest pays for it."""

from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st
from tests.fakes import FakeTokenizer
from tests.strategies import keep_ratios, long_texts, texts

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.strategies import BUILT_IN
from openai_proxy.domain.compression.text import compress_text
from openai_proxy.domain.compression.tokenizer import Tokenizer
from openai_proxy.domain.protection.protections import PROTECTIONS, protect

O200K = tokenizer_for("gpt-4o")
HALF = KeepRatio(Fraction(1, 2))
NUMBERS = frozenset({"numbers"})

tokenizers: st.SearchStrategy[Tokenizer] = st.sampled_from([FakeTokenizer(), O200K])
strategies = st.sampled_from(sorted(BUILT_IN))
kinds = st.frozensets(st.sampled_from(PROTECTIONS), min_size=1)


@given(texts | long_texts, keep_ratios, tokenizers, strategies, kinds)
@example("Pay <keep>on 3 May</keep> or later", HALF, O200K, "uniform", frozenset({"tags"}))
def test_every_protected_span_is_in_the_result_in_its_order(
    text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer, strategy: str, protected: frozenset[str]
) -> None:
    compressed = compress_text(text, keep_ratio, tokenizer, strategy=strategy, protect=protected)

    found = protect(text, protected)
    at = 0
    for start, end in found.spans:
        at = compressed.text.index(found.text[start:end], at) + end - start


def test_the_ratio_is_met_on_the_rest_as_far_as_it_goes() -> None:
    text = "In 1999 there were 12 of them, and nobody knew why there should be any at all. " * 9

    compressed = compress_text(text, HALF, O200K, protect=NUMBERS)

    wanted = HALF.share * compressed.tokens_before
    assert abs(compressed.tokens_billed - wanted) <= 1
    assert compressed.text.count("1999") == 9
    assert compressed.tokens_unmet == 0


def test_what_cannot_be_met_is_reported() -> None:
    text = "Call 030 1234567 or 030 7654321 now"
    quarter = KeepRatio(Fraction(1, 4))

    compressed = compress_text(text, quarter, O200K, protect=NUMBERS)

    assert compressed.tokens_unmet == compressed.tokens_billed - round(
        quarter.share * compressed.tokens_before
    )
    assert compressed.tokens_unmet > 0


def test_what_one_block_cannot_pay_the_next_ones_do() -> None:
    numbers = " ".join(str(number) for number in range(1000, 1400))
    prose = " and then they all went back to the place that they had come from" * 120

    compressed = compress_text(numbers + prose, HALF, O200K, protect=NUMBERS)

    wanted = HALF.share * compressed.tokens_before
    assert abs(compressed.tokens_billed - wanted) <= compressed.tokens_before / 100
    assert compressed.text.startswith(numbers)


def test_marks_are_removed_even_where_all_between_them_stays() -> None:
    compressed = compress_text(
        "<keep>Do not touch</keep>", HALF, O200K, protect=frozenset({"tags"})
    )

    assert (compressed.text, compressed.skipped) == ("Do not touch", None)
