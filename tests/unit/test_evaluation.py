"""What a keep ratio costs, as a report that is the same each time."""

import json
import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import FakeTokenizer
from tests.strategies import texts

from openai_proxy.domain.compression.keep_ratio import InvalidRatio, KeepRatio
from openai_proxy.domain.compression.strategies import UnknownStrategy
from openai_proxy.domain.compression.text import compress_text
from openai_proxy.domain.evaluation.conversations import Conversation, Message
from openai_proxy.domain.evaluation.removal_methods import Plan
from openai_proxy.domain.evaluation.report import evaluate
from openai_proxy.domain.evaluation.report_json import report_as_json
from openai_proxy.domain.evaluation.tally import added, measure

PLAN = Plan.of(["0.5"], ["uniform"])

messages = st.builds(Message, st.sampled_from(["user", "assistant"]), st.tuples(texts))
conversations = st.builds(Conversation, st.lists(messages, max_size=4).map(tuple))
corpora = st.lists(conversations, max_size=3)


def test_each_strategy_is_tried_at_each_ratio_beside_the_baselines() -> None:
    report = evaluate(["a text"], ["0.5", "1.0", "0.9"], ["words", "uniform"], FakeTokenizer())

    methods = ("words", "uniform", "head_and_tail", "stop_words")
    assert [(row.method, row.keep_ratio) for row in report.rows] == [
        ("original", 1),
        *((method, Fraction(9, 10)) for method in methods),
        *((method, Fraction(1, 2)) for method in methods),
    ]


def test_each_strategy_is_tried_with_protections_and_without() -> None:
    protect = frozenset({"urls", "numbers"})

    report = evaluate(["a text"], ["0.5"], ["words"], FakeTokenizer(), protect=protect)

    assert [row.method for row in report.rows[1:3]] == ["words", "words+numbers+urls"]


@given(texts)
def test_tokens_are_those_that_compression_reports(text: str) -> None:
    row = evaluate([text], ["0.5"], ["uniform"], FakeTokenizer()).rows[1]

    half = KeepRatio.from_tokens_to_keep_ratio("0.5")
    compressed = compress_text(text, half, FakeTokenizer())
    assert (row.tally.tokens_before, row.tally.tokens_kept, row.tally.tokens_billed) == (
        compressed.tokens_before,
        compressed.tokens_kept,
        compressed.tokens_billed,
    )


@given(corpora, corpora)
def test_what_is_measured_adds_up(one: list[Conversation], other: list[Conversation]) -> None:
    whole = measure([*one, *other], PLAN, FakeTokenizer())

    parts = (measure(part, PLAN, FakeTokenizer()) for part in (one, other))
    assert whole == added(*parts)


@given(corpora)
def test_the_original_loses_nothing(corpus: list[Conversation]) -> None:
    original = evaluate(corpus, ["0.5"], ["uniform"], FakeTokenizer()).original.tally

    assert original.tokens_billed == original.tokens_before
    assert original.untouched == original.texts
    assert original.worst_quarter in (None, 1.0)
    assert all(one.survived == one.found for one in original.survival.values())


@given(corpora)
def test_the_same_corpus_gives_the_same_bytes(corpus: list[Conversation]) -> None:
    reports = (evaluate(corpus, ["0.5"], ["weighted"], FakeTokenizer()) for _ in range(2))

    one, other = map(report_as_json, reports)
    assert one == other
    assert len(json.loads(one)["rows"]) == 4


def test_the_marks_of_tags_are_no_part_of_what_could_be_lost() -> None:
    text = "We met <keep>Ada Lovelace</keep> and a great many other people in the harbour."
    tags = frozenset({"tags"})

    report = evaluate([text], ["0.5"], ["uniform"], FakeTokenizer(), protect=tags)

    tagged = next(row for row in report.rows if row.method == "uniform+tags")
    assert tagged.tally.survival["names"].found == 2
    assert tagged.tally.survival["names"].survived == 2


def test_what_the_cache_still_serves_is_told_apart() -> None:
    said = Message("system", ("be brief " * 700,))
    asked = Message("user", ("Where was Ada waiting, and what had she with her? " * 40,))
    talk = Conversation((said, asked, Message("assistant", ("There.",)), asked))

    report = evaluate([talk], ["0.5"], ["uniform"], FakeTokenizer())

    original, uniform = report.original, report.rows[1]
    assert report.cached_tokens_kept(original) == 1.0
    assert 0 < (report.cached_tokens_kept(uniform) or 0) < 1
    assert uniform.tally.replay.cost_with_cache(report.prices) < (
        original.tally.replay.cost_with_cache(report.prices)
    )


def test_a_corpus_without_a_second_turn_has_nothing_in_the_cache() -> None:
    report = evaluate(["a text"], ["0.5"], ["uniform"], FakeTokenizer())

    assert report.cached_tokens_kept(report.rows[1]) is None


def test_a_ratio_out_of_range_and_an_unknown_strategy_are_refused() -> None:
    with pytest.raises(InvalidRatio):
        evaluate([], ["2"], ["uniform"], FakeTokenizer())
    with pytest.raises(UnknownStrategy):
        evaluate([], ["0.5"], ["best"], FakeTokenizer())


def test_the_library_is_free_of_the_service() -> None:
    script = (
        "import sys\n"
        "from openai_proxy.domain.evaluation.report import evaluate\n"
        "from openai_proxy.domain.evaluation.report_json import report_as_json\n"
        "from openai_proxy.adapters import tokenizer_for\n"
        "report_as_json(evaluate(['a text'], ['0.5'], ['uniform'], tokenizer_for('gpt-4o')))\n"
        "print(*sorted({'litestar', 'httpx', 'uvicorn', 'click', 'rich'} & {*sys.modules}))\n"
    )

    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == ""
