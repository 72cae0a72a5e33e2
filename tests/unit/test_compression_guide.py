"""The figures of docs/compression.md are those that its commands print."""

import re
from fractions import Fraction
from pathlib import Path

from benchmarks import curves, harm, prompt_cache
from benchmarks.texts import text_of

from openai_proxy.adapters.evaluation.corpus import read_sample
from openai_proxy.domain.control.rules_file import parse_rules
from openai_proxy.domain.evaluation.report import evaluate

GUIDE = Path(__file__).parents[2].joinpath("docs", "compression.md").read_text(encoding="utf-8")


def rows(*first_cells: str) -> list[list[str]]:
    """The rows of its tables that begin so, without those cells."""
    found = [re.split(r" *\| *", line.strip("| ")) for line in GUIDE.splitlines() if "|" in line]
    beginning = list(first_cells)
    return [row[len(beginning) :] for row in found if row[: len(beginning)] == beginning]


def test_what_is_billed_is_what_was_measured() -> None:
    shares = [Fraction(tenths, 10) for tenths in (9, 7, 5, 3, 1)]
    for script in ("English", "JSON"):
        texts = [text_of(script, 800, curves.TOKENIZER, seed) for seed in range(curves.TEXTS)]
        measured = [
            f"{curves.billed_share(texts, share):.3f} ({curves.naive_share(texts, share):.2f})"
            for share in shares
        ]

        assert rows(script) == [measured]


def test_what_survives_in_prose_is_what_was_measured() -> None:
    report = evaluate(
        read_sample(), ["0.9", "0.7", "0.5"], ["uniform", "words", "weighted"], curves.TOKENIZER
    )
    for row in report.rows:
        if row.method in ("uniform", "words", "weighted"):
            shares = [
                row.tally.survival[kind].share or 0
                for kind in ("numbers", "names", "negations", "content_words")
            ]

            assert rows(row.method, f"{float(row.keep_ratio):g}") == [
                [f"{share:.0%}".replace("%", " %") for share in shares]
            ]


def test_what_removal_does_to_sums_is_what_was_measured() -> None:
    for kind, told in [
        ("sums with all of their figures", "sums with all of their figures"),
        ("sums that also say what to do", "sums that also say what to do with them"),
    ]:
        for strategy in ("uniform", "weighted"):
            measured = [
                f"{harm.share_that_serves(harm.KINDS[kind], share, strategy, 200):.0%}"
                for share in harm.SHARES
            ]

            assert rows(told, strategy) == [[share.replace("%", " %") for share in measured]]


def test_what_a_conversation_costs_is_what_was_measured() -> None:
    said = prompt_cache.Said(turns=20, system=600, user=400, answer=200)
    whole = prompt_cache.bill(said, Fraction(1), prompt_cache.as_it_is)
    for name, thin in prompt_cache.WAYS.items():
        for share in prompt_cache.SHARES if thin is not prompt_cache.as_it_is else (Fraction(1),):
            made = prompt_cache.bill(said, share, thin)

            assert rows(name, f"{float(share):g}") == [
                [
                    f"{made.prompt:,}",
                    f"{made.cached:,}",
                    f"{made.cost(0.1) / whole.cost(0.1):.2f}",
                    f"{made.prompt / whole.prompt:.2f}",
                ]
            ]


def test_its_rules_are_sound() -> None:
    (toml,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)

    rules = parse_rules(toml, source="docs/compression.md").rules

    assert [rule.name for rule in rules] == ["instructions", "tool results", "books"]
