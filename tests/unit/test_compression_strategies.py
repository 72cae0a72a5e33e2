"""What each strategy removes first, and strategies of the operator's own."""

import math
import sys
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path

import pytest
import regex
from attrs import frozen
from benchmarks.prose import PROSE
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import texts

from openai_proxy.adapters import tokenizer_for
from openai_proxy.adapters.compression.strategy_loader import StrategyNotLoaded, load_strategy
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.strategies import BUILT_IN, Uniform, surprises, weights
from openai_proxy.domain.compression.text import compress_text
from openai_proxy.domain.compression.units import Units, smallest_units
from openai_proxy.domain.compression.words import says

O200K = tokenizer_for("gpt-4o")
HALF = KeepRatio(Fraction(1, 2))
SALTS = [bytes([salt]) for salt in range(12)]
NEGATION = {"English": "not", "German": "nicht", "Chinese": "不", "Hindi": "नहीं"}
NEGATED = {
    "English": " The council did not agree.",
    "German": " Der Rat hat dem nicht zugestimmt.",
    "Chinese": "市议会不同意。",
    "Hindi": " परिषद सहमत नहीं हुई।",
}


def words_of(text: str, strategy: str = "words") -> list[str]:
    units = smallest_units(O200K.encode(text, disallowed_special=()), O200K)
    return list(units.joined(BUILT_IN[strategy].starts(units)).texts)


class TestWords:
    """A word goes up to the next white space; scripts without spaces have words of one unit."""

    def test_a_word_takes_its_space_and_its_punctuation_along(self) -> None:
        assert words_of("Unbelievably, Quokkas don't swim.") == [
            "Unbelievably,",
            " Quokkas",
            " don't",
            " swim.",
        ]

    def test_scripts_without_spaces_are_removed_unit_by_unit(self) -> None:
        assert words_of("我们喜欢 Python 和猫🐈") == ["我们", "喜欢", " Python", " 和", "猫", "🐈"]

    def test_a_line_without_spaces_is_more_than_one_word(self) -> None:
        assert len(words_of("QUJDREVG" * 40)) > 5


class TestPhrases:
    """To `weighted` a word of a script without spaces is what belongs together there."""

    @given(texts)
    def test_they_are_made_of_whole_words(self, text: str) -> None:
        units = smallest_units(O200K.encode(text, disallowed_special=()), O200K)

        phrases, words = (BUILT_IN[name].starts(units) for name in ("weighted", "words"))

        assert set(phrases) <= set(words)

    def test_where_spaces_are_written_they_are_words(self) -> None:
        text = "Unbelievably, Quokkas don't swim."

        assert words_of(text, "weighted") == words_of(text, "words")

    def test_a_few_characters_without_grammar_between_them_stay_together(self) -> None:
        assert words_of("自来水公司和通知", "weighted") == ["自来水", "公司", "和", "通知"]

    def test_a_negation_in_two_units_is_one_word(self) -> None:
        units = Units(["行", "きま", "せん", "が", "な", "い", "かな"], [1] * 7, range(7))

        joined = units.joined(BUILT_IN["weighted"].starts(units))

        assert joined.texts == ["行", "きません", "が", "ない", "かな"]

    def test_a_number_takes_what_counts_and_what_is_counted_along(self) -> None:
        assert words_of("第3章と第4章", "weighted") == ["第3章", "と", "第4章"]


class TestWhatWordsSay:
    """Grammar says least, and numbers and negations most."""

    @pytest.mark.parametrize(
        "rising",
        [
            (" the", " x", " river", " Ganges", " not"),
            (" und", " die", " fahren", " Fluss", " nicht"),
            ("\n", " +", " река", " Волга", " не"),
            ("的", "。", "天气", " WHO", "不"),
            ("は", "です", "天気", " Tokyo", "ません"),
            (" of", " =", " value", " max_depth", " isn't"),
            (" it.", ").", " right,", " IT", " 7th"),
        ],
    )
    def test_more_from_kind_to_kind(self, rising: Sequence[str]) -> None:
        said = [says(text) for text in rising]

        assert said == sorted(set(said))

    def test_a_long_word_is_more_than_a_short_one_where_no_capital_can_tell_a_name(self) -> None:
        assert says(" घर") < says(" बेंगलुरु") < says(" Bengaluru")

    def test_what_a_program_names_is_more_than_any_other_name(self) -> None:
        assert says(" Ganges") < says(" max_depth") == says(" print(") < says(" not")

    @given(st.lists(st.sampled_from([" the", " river", " Ganges", " not", " 7"]), min_size=1))
    def test_together_as_much_as_the_one_that_says_most(self, words: list[str]) -> None:
        assert says("".join(words)) == max(map(says, words))

    @given(texts.filter(bool))
    def test_something_of_every_text(self, text: str) -> None:
        assert says(text) >= 1


class TestWeights:
    """Rare words and numbers weigh more than frequent ones, on every machine alike."""

    @given(st.integers(2**54, 2**64 - 1))
    def test_the_surprise_of_a_draw_is_its_negative_logarithm(self, draw: int) -> None:
        assert surprises([draw])[0] / 2**16 == pytest.approx(-math.log2(draw / 2**64), abs=0.09)

    @given(st.integers(0, 2**54))
    def test_the_lowest_draws_of_all_are_a_bounded_surprise(self, draw: int) -> None:
        assert 10 <= surprises([draw])[0] / 2**16 <= 16

    @given(st.lists(st.integers(0, 2**64 - 1), min_size=2))
    def test_a_higher_draw_is_never_more_of_a_surprise(self, draws: list[int]) -> None:
        found = surprises(sorted(draws))

        assert found == sorted(found, reverse=True)

    def test_a_word_weighs_by_what_it_says_its_rank_and_its_cost(self) -> None:
        words = {
            " the": [290],
            " antidisestablishmentarianism": [80_000, 7_000, 9_000, 4_000, 60_000, 900],
            " river": [12_000],
            " quokka": [150_000],
            " 2026": [1_000],
        }
        units = Units([*words], [*map(len, words.values())], [*chain(*words.values())])

        found = [*weights(units)]

        assert found == sorted(set(found))

    def test_grammar_weighs_more_at_the_beginning_and_content_the_same_everywhere(self) -> None:
        pair = [" the", " river"]
        units = Units(pair * 20, [1] * 40, [290, 12_000] * 20)

        found = [*weights(units)]

        grammar, content = found[::2], found[1::2]
        assert grammar == sorted(grammar, reverse=True)
        assert grammar[0] > grammar[-1]
        assert max(grammar) < min(content) == max(content)

    @pytest.mark.parametrize("language", ["English", "German", "Chinese", "Hindi"])
    def test_weighted_keeps_negations(self, language: str) -> None:
        said = PROSE[language].items + NEGATED[language]

        left = compress_text(said, HALF, O200K, strategy="weighted").text

        assert left.count(NEGATION[language]) == said.count(NEGATION[language])

    @pytest.mark.parametrize(
        "language", ["English", "German", "Chinese", "Japanese", "Arabic", "Hindi"]
    )
    def test_weighted_keeps_more_numbers_and_names_than_the_others_at_the_same_bill(
        self, language: str
    ) -> None:
        kept = {strategy: survivors(language, strategy) for strategy in BUILT_IN}

        numbers, names = kept["weighted"]
        assert numbers > 1.1 * max(kept["uniform"][0], kept["words"][0])
        assert names > max(kept["uniform"][1], kept["words"][1])


def survivors(language: str, strategy: str) -> tuple[int, int]:
    """How many numbers and names are left of the news items, over several draws."""
    prose = PROSE[language]
    numbers = Counter(regex.findall(r"\d+", prose.items))
    kept_numbers = kept_names = 0
    for salt in SALTS:
        left = compress_text(prose.items, HALF, O200K, strategy=strategy, salt=salt).text
        kept_numbers += (numbers & Counter(regex.findall(r"\d+", left))).total()
        kept_names += sum(name in left for name in prose.names)
    return kept_numbers, kept_names


class TestStrategiesOfOnesOwn:
    """A dotted path names an object that decides units and order; all else is common."""

    def test_a_strategy_object_is_used_as_it_is(self) -> None:
        compressed = compress_text("one two three four five six", HALF, O200K, strategy=FirstCome())

        assert (compressed.text, compressed.strategy) == ("one two three", "first-come")

    def test_a_path_names_a_class_or_an_object_in_a_module(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "own_strategies.py").write_text(
            "from openai_proxy.domain.compression.strategies import Uniform\n"
            "class Mine(Uniform):\n    pass\n"
            "mine = Uniform(name='mine')\n"
        )
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

        assert isinstance(load_strategy("own_strategies:Mine"), Uniform)
        assert load_strategy("own_strategies:mine").name == "mine"
        assert load_strategy("weighted") is BUILT_IN["weighted"]

    @pytest.mark.parametrize(
        ("name", "complaint"),
        [
            ("best", "'best' is neither one of uniform, words, weighted nor a path"),
            (
                "no_such_module:x",
                "'no_such_module:x': no_such_module cannot be imported: No module",
            ),
            ("math:nothing", "'math:nothing': math has no nothing"),
            ("math:pi", "'math:pi' is no strategy: it has no name, no starts, no order"),
            ("fractions:Decimal.x", "'fractions:Decimal.x': fractions has no Decimal.x"),
        ],
    )
    def test_what_cannot_be_loaded_is_told(self, name: str, complaint: str) -> None:
        with pytest.raises(StrategyNotLoaded, match=complaint):
            load_strategy(name)


@frozen
class FirstCome:
    """Keeps the beginning."""

    name: str = "first-come"

    def starts(self, units: Units) -> Sequence[int]:
        return range(len(units))

    def order(self, units: Units, draws: Sequence[int]) -> Sequence[int]:
        assert len(draws) == len(units)
        return range(len(units))
