"""How near the bill comes to keep ratio times tokens, and how fair the draw is."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from benchmarks.exactness import bias, exact_share, outcomes
from benchmarks.texts import SOURCES, text_of
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import FakeTokenizer
from tests.strategies import keep_ratios, long_texts, texts

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.blocks import blocks_of, first_link, next_link, target_of
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.text import compress_text
from openai_proxy.domain.compression.tokenizer import Tokenizer
from openai_proxy.domain.compression.units import encode, smallest_units

FAKE = FakeTokenizer()
O200K = tokenizer_for("gpt-4o")
CL100K = tokenizer_for("gpt-4")
HALF = KeepRatio(Fraction(1, 2))
MODELS = ("gpt-4o", "gpt-4")
PROSE = ("English", "German", "Chinese", "Japanese", "Arabic", "Hindi", "Thai")

tokenizers: st.SearchStrategy[Tokenizer] = st.sampled_from([FAKE, O200K, CL100K])


def targets(text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer) -> list[int]:
    """What strategy uniform wants of each block."""
    link = first_link(tokenizer.name, "uniform", b"")
    wanted: list[int] = []
    for block in blocks_of(smallest_units(encode(text, tokenizer), tokenizer)):
        link = next_link(link, block)
        wanted.append(target_of(link, len(block.tokens), keep_ratio, first=not wanted))
    return wanted


@given(long_texts, keep_ratios, tokenizers)
def test_the_targets_add_up_to_the_ratio_within_a_token_a_block(
    text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer
) -> None:
    tokens = len(encode(text, tokenizer))

    wanted = targets(text, keep_ratio, tokenizer)

    assert abs(sum(wanted) - keep_ratio.share * tokens) <= len(wanted)


@given(texts, keep_ratios, tokenizers, st.sampled_from(["uniform", "words", "weighted"]))
def test_within_a_block_the_bill_misses_its_target_by_less_than_the_next_unit_would_add(
    text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer, strategy: str
) -> None:
    compressed = compress_text(text, keep_ratio, tokenizer, strategy=strategy)

    if compressed.skipped is None and len(compressed.cuts) == 1:
        (block,) = compressed.cuts
        heaviest = max(len(encode(unit, tokenizer)) for unit in block.texts)
        (wanted,) = targets(text, keep_ratio, tokenizer)
        # A unit put back can split what had merged in its absence.
        assert abs(compressed.tokens_billed - wanted) <= heaviest + 2


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("script", SOURCES)
def test_texts_of_every_script_are_billed_as_asked(script: str, model: str) -> None:
    measured = list(outcomes(script, tokenizer_for(model), sizes=(60, 400, 1500), texts=2))

    assert exact_share(measured) >= 0.94
    assert abs(bias(measured)) <= 0.0025 + 0.1 / len(measured)


@pytest.mark.parametrize("model", MODELS)
def test_nearly_all_texts_are_billed_as_asked(model: str) -> None:
    tokenizer = tokenizer_for(model)

    measured = [
        outcome
        for script in SOURCES
        for outcome in outcomes(script, tokenizer, sizes=(150, 900), texts=1)
    ]

    assert exact_share(measured) >= 0.99


@pytest.mark.parametrize("script", PROSE)
@pytest.mark.parametrize("strategy", ["uniform", "words", "weighted"])
def test_from_two_thousand_tokens_on_the_bill_is_right_within_half_a_percent(
    script: str, strategy: str
) -> None:
    text = text_of(script, 2500, O200K)

    for share in (Fraction(9, 10), Fraction(1, 2), Fraction(1, 4)):
        compressed = compress_text(text, KeepRatio(share), O200K, strategy=strategy)

        error = compressed.tokens_billed - share * compressed.tokens_before
        assert abs(error) <= compressed.tokens_before / 200


def test_every_token_of_a_text_is_kept_as_often_as_any_other() -> None:
    """Chi-square over many salts; 63 degrees of freedom exceed 114 once in 10,000 times."""
    text = " ".join(f"w{chr(97 + number % 26)}{number}" for number in range(64))
    tokenizer = WordTokenizer()
    draws = 2000

    kept = Counter[int]()
    for salt in range(draws):
        made = compress_text(text, HALF, tokenizer, salt=salt.to_bytes(4))
        kept.update(index for index, (_, was_kept) in enumerate(made.pieces()) if was_kept)

    variance = draws / 4
    assert sum((kept[index] - draws / 2) ** 2 for index in range(64)) / variance < 114


def test_a_larger_salt_or_another_name_draws_otherwise() -> None:
    text = text_of("English", 300, O200K)

    results = [
        compress_text(text, HALF, O200K, salt=salt, strategy=strategy).text
        for salt in (b"", b"a", b"a" * 64, b"a" * 65)
        for strategy in ("uniform", "words")
    ]

    assert len(set(results)) == 8


class WordTokenizer:
    """A token a word, whatever stands around it."""

    name = "words-only"

    def encode(self, text: str, *, disallowed_special: object = ()) -> list[int]:
        del disallowed_special
        spaced = text.replace(" ", "\0 ").split("\0")
        return [int.from_bytes(word.encode()) for word in spaced if word]

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        return [token.to_bytes((token.bit_length() + 7) // 8) for token in tokens]


@given(long_texts, tokenizers)
def test_blocks_hold_all_units_and_end_between_512_and_1024_tokens(
    text: str, tokenizer: Tokenizer
) -> None:
    units = smallest_units(encode(text, tokenizer), tokenizer)

    blocks = list(blocks_of(units))

    assert "".join(unit for block in blocks for unit in block.texts) == text
    for block, after in pairwise(blocks):
        tokens = sum(block.sizes)
        assert tokens >= 512
        assert after.texts[0][0].isspace() or tokens + after.sizes[0] > 1024
