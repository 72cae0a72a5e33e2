"""The fast tokenizer finds tiktoken's tokens in every text, or leaves the text to tiktoken."""

import string

import pytest
from benchmarks.texts import SOURCES, text_of
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import FakeTokenizer
from tests.strategies import texts

from openai_proxy.adapters.compression.fast_tokenizer import (
    FastEncoding,
    fast_if_identical,
    load_fast_encoding,
)
from openai_proxy.adapters.compression.tokenizer import VOCABULARIES, load_encoding
from openai_proxy.domain.compression.tokenizer import Tokenizer

ENCODINGS = {name: (load_encoding(name), load_fast_encoding(name)) for name in VOCABULARIES}
both = pytest.mark.parametrize("name", sorted(ENCODINGS))

PLANES_WITH_CHARACTERS = (range(0xD800), range(0xE000, 0x34000), range(0xE0000, 0xE0200))


def tokens_of(text: str, tokenizer: Tokenizer) -> list[int]:
    return tokenizer.encode(text, disallowed_special=())


@both
def test_it_is_the_fast_one_that_stands_the_test_of_identity(name: str) -> None:
    _, fast = ENCODINGS[name]

    assert isinstance(fast, FastEncoding)
    assert fast.name == name


@both
def test_every_character_becomes_the_same_tokens_whatever_stands_around_it(name: str) -> None:
    reference, fast = ENCODINGS[name]
    surroundings = "{0}_u {0}A{0}1{0}'s {0} {0}/\n{0}\n  {0}B{0}\u0301-é{0}{0}x\n"

    for plane in PLANES_WITH_CHARACTERS:
        for first in range(plane.start, plane.stop, 256):
            characters = map(chr, range(first, min(first + 256, plane.stop)))
            text = "".join(map(surroundings.format, characters))
            assert tokens_of(text, fast) == tokens_of(text, reference), hex(first)


@both
@given(
    text=texts
    | st.text(string.printable)
    | st.text(st.sampled_from("aB1 '\r\n\t/\u0301é中の한ข\u200d😀\u00a0"))
)
def test_every_text_becomes_the_same_tokens(name: str, text: str) -> None:
    reference, fast = ENCODINGS[name]

    assert tokens_of(text, fast) == tokens_of(text, reference)


@both
@pytest.mark.parametrize("script", SOURCES)
def test_every_script_becomes_the_same_tokens(name: str, script: str) -> None:
    reference, fast = ENCODINGS[name]
    text = text_of(script, 5_000, reference)

    assert tokens_of(text, fast) == tokens_of(text, reference)
    assert b"".join(fast.decode_tokens_bytes(tokens_of(text, fast))) == text.encode()


@pytest.mark.parametrize("run", ["a", " ", "\n", "1", "!", "ab", "=-", "中", "😀"])
def test_long_runs_become_the_same_tokens(run: str) -> None:
    reference, fast = ENCODINGS["o200k_base"]
    text = run * (20_000 // len(run))

    assert tokens_of(text, fast) == tokens_of(text, reference)


def test_the_spelling_of_a_special_token_is_an_error_unless_it_is_allowed() -> None:
    _, fast = ENCODINGS["o200k_base"]

    with pytest.raises(ValueError, match="endoftext"):
        fast.encode("<|endoftext|>", disallowed_special=["<|endoftext|>"])


def test_tokens_that_differ_leave_all_texts_to_the_reference(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Differing:
        def encode_ordinary(self, text: str) -> list[int]:
            return [0] * len(text)

    reference = FakeTokenizer()

    assert fast_if_identical(reference, Differing()) is reference
    assert caplog.messages == [
        f"quicktok does not find the tokens of {reference.name}, so tiktoken does"
    ]
