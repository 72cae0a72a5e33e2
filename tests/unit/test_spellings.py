"""A tokenizer is asked for the spelling of a token once, if it can be known again."""

from collections.abc import Collection, Sequence
from fractions import Fraction

import pytest
from attrs import define, field, frozen
from tests.fakes import FakeTokenizer

from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.spellings import spellings_of
from openai_proxy.domain.compression.text import compress_text
from openai_proxy.domain.compression.tokenizer import Tokenizer

HALF = KeepRatio(Fraction(1, 2))
TEXT = "Grüße aus Köln, und bis bald! " * 20


@define(eq=False)
class AskedTokenizer:
    """The fake one, and what it was asked for."""

    name: str = "fake"
    asked: list[int] = field(factory=list[int])

    def encode(self, text: str, *, disallowed_special: Collection[str] = ()) -> list[int]:
        return FakeTokenizer().encode(text, disallowed_special=disallowed_special)

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        self.asked += tokens
        return FakeTokenizer().decode_tokens_bytes(tokens)


@define
class ComparedTokenizer(AskedTokenizer):
    """One without a hash, since it is equal to others of the same content."""


@frozen
class TokenizerOfAList(FakeTokenizer):
    """One whose hash fails, since its content has none."""

    merges: list[str] = field(factory=list[str])


def test_no_token_is_asked_for_twice() -> None:
    tokenizer = AskedTokenizer()

    compress_text(TEXT, HALF, tokenizer)
    compress_text(TEXT + TEXT.upper(), HALF, tokenizer)

    assert len(tokenizer.asked) == len({*tokenizer.asked})


@pytest.mark.parametrize("tokenizer", [ComparedTokenizer(), TokenizerOfAList()])
def test_a_tokenizer_need_not_have_a_hash(tokenizer: Tokenizer) -> None:
    compressed = compress_text(TEXT, HALF, tokenizer)

    assert compressed == compress_text(TEXT, HALF, FakeTokenizer())


def test_a_tokenizer_without_end_is_not_known_by_heart_without_end() -> None:
    spellings = spellings_of(NumberTokenizer())

    for number in range(300_000):
        assert spellings[number] == str(number)

    assert len(spellings) < 270_000


@frozen
class NumberTokenizer(FakeTokenizer):
    """A token for every number."""

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        return [str(token).encode() for token in tokens]
