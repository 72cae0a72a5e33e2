"""How rules are read, and what is said where they are wrong."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.strategies import BUILT_IN
from openai_proxy.domain.control.rules import Bounds, Condition, Instruction, Rule, Rules
from openai_proxy.domain.control.rules_file import InvalidRules, parse_rules

EXAMPLE = Path(__file__).parents[2] / "rules.example.toml"


def reasons_against(text: str) -> list[str]:
    try:
        parse_rules(text, source="rules.toml")
    except InvalidRules as invalid:
        return list(invalid.problems)
    return []


class TestReading:
    def test_a_rule_says_who_it_takes_and_what_becomes_of_it(self) -> None:
        text = """
            [[rule]]
            name = "long questions"
            endpoint = ["chat", "responses"]
            model = "gpt-4*"
            role = "user"
            min_turn = 2
            min_tokens = 100
            max_tokens = 2000
            compression_ratio = 2
            tokens_to_keep_ratio = 0.7
            strategy = "weighted"
            protect = ["numbers"]
        """

        assert parse_rules(text, source="rules.toml") == Rules(
            (
                Rule(
                    "long questions",
                    Condition(
                        ["responses", "chat"],
                        ["user"],
                        models=("gpt-4*",),
                        turns=Bounds(2),
                        tokens=Bounds(100, 2000),
                    ),
                    Instruction(
                        keep_ratio=KeepRatio(Fraction(7, 10)),
                        strategy=BUILT_IN["weighted"],
                        protect=frozenset({"numbers"}),
                    ),
                ),
            )
        )

    def test_a_rule_that_names_no_endpoint_or_role_is_about_those_of_the_settings(self) -> None:
        (rule,) = parse_rules(
            "[[rule]]\ntarget_tokens = 9",
            source="rules.toml",
            endpoints={"responses"},
            roles={"user", "tool"},
        ).rules

        assert rule == Rule(
            "1", Condition(["responses"], ["tool", "user"]), Instruction(target_tokens=9)
        )

    def test_no_rules_are_rules(self) -> None:
        assert parse_rules("# none yet\n", source="rules.toml") == Rules()

    def test_strategies_of_the_operators_own_come_from_whoever_can_load_them(self) -> None:
        own = BUILT_IN["words"]

        (rule,) = parse_rules(
            '[[rule]]\nstrategy = "mine:It"',
            source="rules.toml",
            strategy_for={"mine:It": own}.__getitem__,
        ).rules

        assert rule.then.strategy is own

    def test_the_example_file_is_sound_and_each_rule_of_it_has_a_name(self) -> None:
        rules = parse_rules(EXAMPLE.read_text(encoding="utf-8"), source=EXAMPLE.name)

        assert [rule.name for rule in rules.rules] == [
            "instructions",
            "code models",
            "tool results",
            "books",
            "long messages",
        ]


class TestWhatIsWrong:
    def test_every_problem_is_named_at_once_with_its_line_and_reason(self) -> None:
        text = """\
# A file with everything wrong.
limit = 3

[[rule]]
name = "first"
roel = "user"
tokens_to_keep_ratio = 1.5
model = [
    "gpt-4*",
    4,
]
min_tokens = 50
max_tokens = 30

[[rule]]
compress = false
strategy = "weighted"

[[rule]]  # says nothing
role = "human"

[[rule]]
target_tokens = 0
compression_ratio = 0.5
[rule.when]
turn = 3
"""

        assert reasons_against(text) == [
            "rules.toml:2: limit: only tables [[rule]] are known here",
            "rules.toml:6: roel: no such key; did you mean role?",
            (
                "rules.toml:7: tokens_to_keep_ratio: 1.5 is out of range; "
                "it must be a number above 0 and at most 1"
            ),
            "rules.toml:8: model: ['gpt-4*', 4] is not valid; it must be a text on one line",
            "rules.toml:13: max_tokens: 30 is below min_tokens, which is 50",
            "rules.toml:17: strategy: cannot stand beside compress = false",
            (
                "rules.toml:19: the rule says nothing; give one of compress, compression_ratio, "
                "tokens_to_keep_ratio, target_tokens, strategy, protect"
            ),
            (
                "rules.toml:20: role: 'human' is not valid; "
                "it must be any of user, system, developer, assistant, tool, function"
            ),
            "rules.toml:23: target_tokens: 0 is not valid; it must be a whole number of at least 1",
            "rules.toml:23: target_tokens: cannot stand beside compression_ratio",
            (
                "rules.toml:24: compression_ratio: 0.5 is below 1.0; it must be a finite number of "
                "at least 1.0; to keep that share, set tokens_to_keep_ratio=0.5"
            ),
            (
                "rules.toml:25: when: no such key; known are name, endpoint, model, role, min_turn, "
                "max_turn, min_tokens, max_tokens, compress, compression_ratio, "
                "tokens_to_keep_ratio, target_tokens, strategy, protect"
            ),
        ]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("[[rule]]\nrole = ", "rules.toml:2: Invalid value"),
            ('[[rule]]\nrole = "user\n', r"rules.toml:2: Illegal character '\n'"),
            ('[[rule]]\nrole = "a"\nrole = "b"', "rules.toml:3: Cannot overwrite a value"),
            (f"[[rule]]\nmin_turn = {'9' * 5000}", "rules.toml:1: a value is too large to be read"),
            ("rule = 3", "rules.toml:1: rule: each must be a table of its own, under [[rule]]"),
            (
                "\n[rule]\na = 1",
                "rules.toml:2: rule: each must be a table of its own, under [[rule]]",
            ),
            (
                "[[rule]]\nstrategy = 'os:system'",
                "rules.toml:2: strategy: 'os:system' is not one of uniform, words, weighted",
            ),
            (
                "[[rule]]\ncompress = 1",
                "rules.toml:2: compress: 1 is not valid; it must be true or false",
            ),
            (
                "[[rule]]\ncompression_ratio = true",
                "rules.toml:2: compression_ratio: True is not valid; it must be a number",
            ),
            (
                "[[rule]]\ncompression_ratio = inf",
                (
                    "rules.toml:2: compression_ratio: inf is not a number; "
                    "it must be a finite number of at least 1.0"
                ),
            ),
        ],
    )
    def test_each_has_its_line(self, text: str, problem: str) -> None:
        assert reasons_against(text)[0] == problem

    @given(st.text() | st.text(alphabet='[]rule\n= "1.#name{}', max_size=60))
    @example('[[rule]]\nname = """\n\n[[rule]]\nnam = 1\n"""\nmax_turn = -1')
    def test_any_text_gives_rules_or_reasons_with_a_line_that_the_file_has(self, text: str) -> None:
        problems = reasons_against(text)

        lines = [int(problem.split(":")[1]) for problem in problems]
        assert all(1 <= line <= text.count("\n") + 1 for line in lines)
        assert all(problem.isprintable() for problem in problems)
