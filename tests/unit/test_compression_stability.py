"""Same text, same settings, same bytes: on every turn, in every process, at every ratio."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction
from itertools import takewhile
from typing import Any

import pytest
from benchmarks.texts import text_of
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import FakeTokenizer
from tests.strategies import long_texts, shares, texts

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.blocks import ALGORITHM, DRAWN_AS
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.strategies import BUILT_IN
from openai_proxy.domain.compression.text import CompressedText, compress_text
from openai_proxy.domain.compression.tokenizer import Tokenizer
from openai_proxy.domain.protection.protections import PROTECTIONS

FAKE = FakeTokenizer()
O200K = tokenizer_for("gpt-4o")
CL100K = tokenizer_for("gpt-4")
HALF = KeepRatio(Fraction(1, 2))

tokenizers: st.SearchStrategy[Tokenizer] = st.sampled_from([FAKE, O200K, CL100K])
strategies = st.sampled_from(sorted(BUILT_IN))
methods = st.fixed_dictionaries(
    {
        "strategy": st.sampled_from(sorted(BUILT_IN)),
        "protect": st.sampled_from([frozenset[str](), frozenset({"numbers", "quotes", "json"})]),
    }
)


def kept(compressed: CompressedText) -> list[int]:
    return [index for index, (_, was_kept) in enumerate(compressed.pieces()) if was_kept]


@given(texts | long_texts, shares, shares, tokenizers, methods)
def test_what_is_kept_at_one_ratio_is_kept_at_every_larger_one(
    text: str, one: Fraction, other: Fraction, tokenizer: Tokenizer, method: Mapping[str, Any]
) -> None:
    smaller, larger = (
        compress_text(text, KeepRatio(share), tokenizer, **method) for share in sorted([one, other])
    )

    if smaller.skipped is None and larger.skipped is None:
        assert set(kept(smaller)) <= set(kept(larger))


@given(long_texts, texts, texts, tokenizers, strategies)
def test_blocks_that_two_texts_begin_with_are_thinned_alike(
    beginning: str, one_end: str, other_end: str, tokenizer: Tokenizer, strategy: str
) -> None:
    one, other = (
        compress_text(f"{beginning} {end}", HALF, tokenizer, strategy=strategy)
        for end in (one_end, other_end)
    )

    for block, same_block in zip(one.cuts, other.cuts, strict=False):
        if block.texts != same_block.texts:
            break
        assert block.kept == same_block.kept


@pytest.mark.parametrize("strategy", sorted(BUILT_IN))
def test_another_question_below_a_document_leaves_the_document_as_it_was(strategy: str) -> None:
    document = text_of("English", 3000, O200K)

    one = compress_text(f"{document}\n\nWho paid for it?", HALF, O200K, strategy=strategy)
    other = compress_text(f"{document}\n\nWhat did it cost?", HALF, O200K, strategy=strategy)

    pairs = zip(one.text, other.text, strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    assert len(O200K.encode(one.text[shared:])) <= 512


# Whoever has to change one of these has changed the algorithm, which needs a new name.
GOLDEN: Mapping[str, str] = {
    "prose, uniform": "4a021fd32e012b7b",
    "prose, weighted": "50374b905445dde4",
    "prose, words": "b2254a618c9419f2",
    "scripts, uniform": "384155de334869be",
    "scripts, weighted": "cf289207cdf0b7e5",
    "scripts, words": "915bef55eb9ccde0",
    "code, uniform": "daca1570cea735e0",
    "code, weighted": "a69669b46350add5",
    "code, words": "fc3668f4bf2750f6",
    "facts, uniform": "eb70f0cad2fd45ba",
    "facts, weighted": "ce0caa070f2e7d5a",
    "facts, words": "a93d2466294a5c36",
}
TEXTS = {
    "prose": "The quick brown fox jumps over the lazy dog near the river bank. " * 40,
    "scripts": "Grüße aus Köln! 我们喜欢天气。 नमस्ते दुनिया, สวัสดีชาวโลก 👩\u200d🚀👍🏽🇩🇪 e\u0301a\u0308 "
    * 9,
    "code": 'def f(x):\r\n    return {"a": [1, 2.5], "b": x}\r\n' * 12,
    "facts": 'By 12 May, <keep>Ann</keep> said "not yet" of https://a.example/x?y=1 and paid `fee()` twice. '
    "Nobody there was quite sure what it would cost them in the long run, though. " * 30,
}
PROTECTED: Mapping[str, frozenset[str]] = {"facts": frozenset(PROTECTIONS)}


def digests() -> dict[str, str]:
    """What becomes of a few texts, in short: in both encodings, at two ratios."""
    found: dict[str, str] = {}
    for name, text in TEXTS.items():
        for strategy in sorted(BUILT_IN):
            results = [
                compress_text(
                    text,
                    KeepRatio(share),
                    tokenizer,
                    strategy=strategy,
                    protect=PROTECTED.get(name, frozenset()),
                ).text
                for tokenizer in (O200K, CL100K)
                for share in (Fraction(7, 10), Fraction(1, 3))
            ]
            digest = hashlib.sha256("\0".join(results).encode()).hexdigest()
            found[f"{name}, {strategy}"] = digest[:16]
    return found


def test_the_algorithm_gives_the_bytes_that_it_always_gave() -> None:
    assert (ALGORITHM, DRAWN_AS) == ("rtc/1", {"weighted": "weighted/3"})
    assert digests() == GOLDEN


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_another_process_gives_the_same_bytes(hash_seed: str) -> None:
    script = (
        "import json, sys\n"
        "from fractions import Fraction\n"
        "from openai_proxy.adapters import tokenizer_for\n"
        "from openai_proxy.domain.compression.text import compress_text\n"
        "from openai_proxy.domain.compression.keep_ratio import KeepRatio\n"
        "tokenizer = tokenizer_for('gpt-4o')\n"
        "half = KeepRatio(Fraction(1, 2))\n"
        "texts = json.load(sys.stdin)\n"
        "results = [compress_text(text, half, tokenizer, strategy='weighted').text for text in texts]\n"
        "print(json.dumps(results))\n"
    )

    output = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(list(TEXTS.values())),
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert json.loads(output) == [
        compress_text(text, HALF, O200K, strategy="weighted").text for text in TEXTS.values()
    ]


def test_a_conversation_keeps_the_compressed_bytes_of_its_earlier_turns() -> None:
    messages = [text_of("English", 80, O200K, seed) for seed in range(20)]

    turns = [
        [compress_text(message, HALF, O200K).text for message in messages[:turn]]
        for turn in range(1, 21)
    ]

    assert all(turns[-1][: len(turn)] == turn for turn in turns)
