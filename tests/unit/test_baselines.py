"""What removal is compared with costs the same, and is what its name says."""

import pytest
from hypothesis import given
from tests.fakes import FakeTokenizer
from tests.strategies import keep_ratios, long_texts, texts

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.keep_ratio import KEEP_ALL, KeepRatio
from openai_proxy.domain.compression.text import compress_text
from openai_proxy.domain.compression.tokenizer import Tokenizer
from openai_proxy.domain.evaluation.baselines import BASELINES, thin_whole

HALF = KeepRatio.from_tokens_to_keep_ratio("0.5")
NEWS = (
    "The council of Hamburg decided on 14 March to spend 47 million on the old bridge, "
    "and it is not clear how they are going to get to the market while it is closed."
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return tokenizer_for("gpt-4o")


@pytest.mark.parametrize("name", BASELINES)
@given(text=texts | long_texts, keep_ratio=keep_ratios)
def test_what_is_left_is_part_of_the_text_and_counted(
    name: str, text: str, keep_ratio: KeepRatio
) -> None:
    thinned = thin_whole(text, keep_ratio, FakeTokenizer(), BASELINES[name])

    pieces = [*thinned.pieces()]
    assert "".join(piece for piece, _ in pieces) == text
    assert "".join(piece for piece, stays in pieces if stays) == thinned.text
    assert thinned.tokens_billed == len(FakeTokenizer().encode(thinned.text))


@pytest.mark.parametrize("name", BASELINES)
def test_nothing_is_removed_where_everything_is_to_be_kept(name: str) -> None:
    assert thin_whole(NEWS, KEEP_ALL, FakeTokenizer(), BASELINES[name]).text == NEWS


@pytest.mark.parametrize("name", BASELINES)
def test_as_many_tokens_are_billed_as_for_removal(name: str, tokenizer: Tokenizer) -> None:
    text = NEWS * 30

    baseline = thin_whole(text, HALF, tokenizer, BASELINES[name])

    removal = compress_text(text, HALF, tokenizer)
    assert abs(baseline.tokens_billed - removal.tokens_billed) <= 0.01 * removal.tokens_before


def test_truncation_keeps_both_ends(tokenizer: Tokenizer) -> None:
    thinned = thin_whole(NEWS, HALF, tokenizer, BASELINES["head_and_tail"])

    assert thinned.text == (
        "The council of Hamburg decided on 14 March to get to the market while it is closed."
    )


def test_stop_words_go_before_anything_else(tokenizer: Tokenizer) -> None:
    three_quarters = KeepRatio.from_tokens_to_keep_ratio("0.75")

    thinned = thin_whole(NEWS, three_quarters, tokenizer, BASELINES["stop_words"])

    said = ("council", "Hamburg", "decided", "14", "March", "47", "not", "market", "closed")
    assert all(word in thinned.text for word in said)
