"""What embeddings say, with their confidence, and whether a text still finds itself."""

from collections.abc import Sequence

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import FakeTokenizer

from openai_proxy.domain.evaluation.removal_methods import Plan
from openai_proxy.domain.evaluation.similarity import (
    Similarity,
    Vector,
    sample,
    similarities,
    similarity,
)

UP, RIGHT = (0.0, 1.0), (1.0, 0.0)


@frozen
class CountingVowels:
    """An embedder: how many there are of each vowel."""

    name: str = "vowels"

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        return [[text.count(vowel) for vowel in "aeiou"] for text in texts]


def test_texts_that_stay_as_they_are_find_themselves() -> None:
    assert similarity([UP, RIGHT], [UP, RIGHT]) == Similarity(1.0, 1.0, 1.0, 1.0)


def test_texts_that_come_to_mean_each_other_do_not() -> None:
    assert similarity([UP, RIGHT], [RIGHT, UP]) == Similarity(0.0, 0.0, 0.0, 0.0)


def test_the_band_is_as_wide_as_the_texts_differ() -> None:
    mixed = similarity([UP, RIGHT, UP, RIGHT], [UP, UP, UP, UP])

    assert (mixed.cosine, mixed.finds_itself) == (0.5, 0.5)
    # 1.96 times a standard deviation of 0.577, over the root of 4 texts.
    assert mixed.low == pytest.approx(0.5 - 0.566, abs=0.001)
    assert mixed.high == pytest.approx(0.5 + 0.566, abs=0.001)


def test_a_text_of_which_nothing_is_left_is_like_none() -> None:
    assert similarity([UP], [(0.0, 0.0)]).cosine == 0.0


def test_each_trial_is_compared_with_the_originals() -> None:
    plan = Plan.of(["0.5"], ["uniform"])
    texts = ["banana papaya mango cassava", "cherry berry elder endive", "kiwi fig lichi"]

    original, *others = similarities(texts, plan, FakeTokenizer(), CountingVowels())

    assert original.cosine == pytest.approx(1.0)
    assert original.finds_itself == 1.0
    assert len(others) == len(plan.trials) - 1


@given(st.lists(st.text(max_size=3)), st.integers(1, 5))
def test_a_sample_does_not_depend_on_the_order(texts: list[str], count: int) -> None:
    chosen = sample(texts, count)

    assert sample(reversed(texts), count) == chosen
    assert len(chosen) == min(count, len(set(texts)))
    assert set(chosen) <= set(texts)
