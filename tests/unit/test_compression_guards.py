"""No text is too long, too odd or too costly, and the library stands alone."""

import subprocess
import sys
from collections.abc import Collection, Sequence
from fractions import Fraction

import pytest
from tests.fakes import FakeTokenizer

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.text import compress_text
from openai_proxy.domain.compression.units import LONGEST_RUN, encode

FAKE = FakeTokenizer()
O200K = tokenizer_for("gpt-4o")
HALF = KeepRatio(Fraction(1, 2))


class TestVeryLongRuns:
    """What goes on for too long without a change of kind is encoded in parts."""

    @pytest.mark.parametrize("character", [" ", "\n", "\u00a0", "a", "^", "好", "\u0301"])
    def test_a_megabyte_of_one_character_is_no_reason_to_fail(self, character: str) -> None:
        compressed = compress_text(character * (1_100_000 // len(character.encode())), HALF, O200K)

        assert compressed.skipped in {None, "blank", "not_smaller"}

    def test_tiktoken_alone_gives_up_at_a_million_spaces(self) -> None:
        with pytest.raises(ValueError, match="Regex"):
            O200K.encode(" " * 1_100_000, disallowed_special=())

    @pytest.mark.parametrize(
        "text", ["a" * (LONGEST_RUN - 1), "x" + " " * LONGEST_RUN, "ab " * 50_000]
    )
    def test_what_is_no_longer_is_encoded_whole(self, text: str) -> None:
        listening = ListeningTokenizer()

        encode(f"{text}.\n", listening)

        assert listening.heard == [f"{text}.\n"]

    def test_no_part_of_a_run_is_longer_than_allowed(self) -> None:
        listening = ListeningTokenizer()

        encode("x" + " " * (3 * LONGEST_RUN + 5) + "y" * (2 * LONGEST_RUN), listening)

        assert "".join(listening.heard).count(" ") == 3 * LONGEST_RUN + 5
        assert [len(text) for text in listening.heard] == [
            1 + LONGEST_RUN,
            LONGEST_RUN,
            LONGEST_RUN,
            5 + LONGEST_RUN,
            LONGEST_RUN,
        ]


class TestCost:
    """The work grows with the text and not faster, however it is made."""

    @pytest.mark.parametrize(
        "piece", ["All of them went to see the sea. ", "aB3", "我们", "e\u0301 "]
    )
    def test_ten_times_the_text_is_ten_times_the_work(self, piece: str) -> None:
        small, large = ListeningTokenizer(), ListeningTokenizer()

        compress_text(piece * 1_000, HALF, small)
        compress_text(piece * 10_000, HALF, large)

        assert large.characters <= 11 * small.characters

    def test_a_block_is_counted_a_few_times_only(self) -> None:
        listening = ListeningTokenizer()
        text = "All of them went to see the sea, and it was blue. " * 2_000

        compress_text(text, HALF, listening)

        assert listening.characters <= 5 * len(text)


class ListeningTokenizer:
    """A tokenizer that remembers what it was asked."""

    name = "fake"

    def __init__(self) -> None:
        self.heard: list[str] = []

    def encode(self, text: str, *, disallowed_special: Collection[str] = ()) -> list[int]:
        self.heard.append(text)
        return FAKE.encode(text, disallowed_special=disallowed_special)

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        return FAKE.decode_tokens_bytes(tokens)

    @property
    def characters(self) -> int:
        return sum(map(len, self.heard))


def test_the_domain_loads_with_the_standard_library_attrs_and_regex_alone() -> None:
    script = (
        "import sys\n"
        "from importlib import import_module\n"
        "from pkgutil import walk_packages\n"
        "before = set(sys.modules)\n"
        "import openai_proxy.domain as domain\n"
        "for module in walk_packages(domain.__path__, 'openai_proxy.domain.'):\n"
        "    import_module(module.name)\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})\n"
    )

    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout

    foreign = set(output.split()) - sys.stdlib_module_names
    assert foreign <= {"openai_proxy", "attr", "attrs", "regex"}
