"""Compressing a text only as far as it takes to come under a limit."""

from hypothesis import example, given
from hypothesis import strategies as st
from tests.fakes import FakeTokenizer
from tests.strategies import any_texts, texts

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.fit import fit_text
from openai_proxy.domain.compression.strategies import BUILT_IN
from openai_proxy.domain.protection.protections import PROTECTIONS

TOKENIZER = FakeTokenizer()
PROSE = "The committee will meet again on Tuesday, after the votes have been counted. "

targets = st.integers(1, 120)
strategies = st.sampled_from(list(BUILT_IN))
protections = st.frozensets(st.sampled_from(PROTECTIONS))


def count(text: str) -> int:
    return len(TOKENIZER.encode(text))


class TestFitting:
    @given(any_texts, targets, strategies, protections)
    @example("one two three", 1, "uniform", frozenset())
    def test_a_text_comes_under_its_limit_or_stays_as_it_is(
        self, text: str, target: int, strategy: str, protect: frozenset[str]
    ) -> None:
        fitted = fit_text(text, target, TOKENIZER, strategy=strategy, protect=protect)

        if fitted.skipped is None:
            assert count(fitted.text) == fitted.tokens_billed <= target
        else:
            assert fitted.text == text
            assert fitted.skipped in ("fits", "target_not_met", "lone_surrogates")

    @given(texts, targets)
    def test_a_text_that_fits_is_left_alone(self, text: str, more: int) -> None:
        fitted = fit_text(text, count(text) + more, TOKENIZER)

        assert (fitted.text, fitted.skipped) == (text, "fits")

    @given(texts, targets, strategies)
    def test_the_same_text_is_always_fitted_alike(
        self, text: str, target: int, strategy: str
    ) -> None:
        once = fit_text(text, target, TOKENIZER, strategy=strategy, salt=b"s")

        assert fit_text(text, target, TOKENIZER, strategy=strategy, salt=b"s") == once

    def test_no_more_is_removed_than_needed(self) -> None:
        o200k = tokenizer_for("gpt-4o")
        text = PROSE * 300
        for target in (100, 511, 1000, 3000, 4400):
            fitted = fit_text(text, target, o200k)

            # The text has nine blocks, each of which is exact to about a token.
            assert target - 9 <= fitted.tokens_billed <= target
            assert fitted.keep_ratio.share * fitted.tokens_before == target

    def test_what_is_protected_is_rather_sent_whole_than_torn(self) -> None:
        text = "Say <keep>" + PROSE * 4 + "</keep> once."

        fitted = fit_text(text, 10, TOKENIZER, protect=frozenset({"tags"}))

        assert (fitted.text, fitted.skipped) == (text, "target_not_met")
