"""How the two settings become one keep ratio."""

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openai_proxy.domain.compression.keep_ratio import InvalidRatio, KeepRatio, resolve_keep_ratio

shares_below_one = st.fractions(min_value=Fraction(1, 10_000), max_value=Fraction(9_999, 10_000))
compression_ratios = st.decimals(min_value=1, max_value=10_000, places=4).map(str)
texts_out_of_both_ranges = st.sampled_from(
    ["0", "-1", "-0.5", "nan", "inf", "-inf", "Infinity", "50%", "1/2", "1,5", "two", "0x2", "1_0"]
) | st.sampled_from(["\u0662", "2 3", "+-2", "1e", "1e9999", "e5", ".", "2\n3", "9" * 100])


class TestResolvingTheTwoSettings:
    """TOKENS_TO_KEEP_RATIO, if set and below 1, wins; otherwise COMPRESSION_RATIO applies as 1/ratio."""

    @given(compression_ratios, shares_below_one)
    def test_a_keep_ratio_below_one_wins_over_any_compression_ratio(
        self, compression_ratio: str, share: Fraction
    ) -> None:
        assert resolve_keep_ratio(compression_ratio, share) == KeepRatio(share)

    @given(compression_ratios)
    @example("2.0")
    def test_a_keep_ratio_of_one_leaves_the_word_to_the_compression_ratio(self, ratio: str) -> None:
        assert resolve_keep_ratio(ratio, "1.0") == KeepRatio(1 / Fraction(ratio))

    @given(compression_ratios, st.sampled_from([None, ""]))
    @example("1.0", None)
    @example("2.0", None)
    @example("3.0", None)
    @example("4.0", "")
    def test_an_unset_keep_ratio_leaves_the_exact_inverse(
        self, ratio: str, unset: str | None
    ) -> None:
        assert resolve_keep_ratio(ratio, unset).share == 1 / Fraction(ratio)

    @given(st.sampled_from([None, ""]), st.sampled_from([None, ""]))
    def test_nothing_set_keeps_everything(self, first: str | None, second: str | None) -> None:
        assert not resolve_keep_ratio(first, second).compresses

    @given(st.integers(min_value=1, max_value=10**6))
    def test_a_float_means_what_it_prints(self, thousandths: int) -> None:
        value = thousandths / 10**6

        assert resolve_keep_ratio(tokens_to_keep_ratio=value).share == Fraction(thousandths, 10**6)

    @given(st.fractions(min_value=1), st.fractions(min_value=1))
    def test_a_larger_compression_ratio_never_keeps_more(
        self, one: Fraction, other: Fraction
    ) -> None:
        smaller, larger = sorted([one, other])

        assert resolve_keep_ratio(larger).share <= resolve_keep_ratio(smaller).share

    @given(st.one_of(st.none(), st.text()), st.one_of(st.none(), st.text()))
    @example("0.5", None)
    @example("1e999999999", None)
    @example(None, "1e-999")
    def test_any_text_gives_a_ratio_or_names_its_variable(
        self, compression_ratio: str | None, tokens_to_keep_ratio: str | None
    ) -> None:
        try:
            outcome = str(resolve_keep_ratio(compression_ratio, tokens_to_keep_ratio))
        except InvalidRatio as problem:
            outcome = str(problem)

        assert outcome.startswith(("KeepRatio(", "COMPRESSION_RATIO: ", "TOKENS_TO_KEEP_RATIO: "))
        assert outcome.isprintable()


class TestRefusingWhatIsOutOfRange:
    @given(texts_out_of_both_ranges)
    def test_a_value_outside_both_ranges_is_refused_as_either(self, text: str) -> None:
        with pytest.raises(InvalidRatio, match=r"^COMPRESSION_RATIO: .*at least 1\.0"):
            KeepRatio.from_compression_ratio(text)
        with pytest.raises(InvalidRatio, match=r"^TOKENS_TO_KEEP_RATIO: .*above 0 and at most 1"):
            KeepRatio.from_tokens_to_keep_ratio(text)

    def test_a_share_given_as_compression_ratio_is_told_where_it_belongs(self) -> None:
        with pytest.raises(InvalidRatio) as refused:
            resolve_keep_ratio("0.5")

        assert str(refused.value) == (
            "COMPRESSION_RATIO: 0.5 is below 1.0; it must be a finite number of at least 1.0; "
            "to keep that share, set TOKENS_TO_KEEP_RATIO=0.5"
        )

    @given(st.fractions().filter(lambda share: not 0 < share <= 1))
    def test_no_keep_ratio_exists_outside_its_range(self, share: Fraction) -> None:
        with pytest.raises(InvalidRatio):
            KeepRatio(share)
