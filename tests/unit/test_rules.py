"""Which rule takes which text, and what comes of it."""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import FakeTokenizer
from tests.strategies import keep_ratios, texts

from openai_proxy.domain.bodies.body_compression import compress_body, compress_frame
from openai_proxy.domain.bodies.compressed_body import CompressedBody
from openai_proxy.domain.bodies.rule_verdicts import verdicts
from openai_proxy.domain.compression.keep_ratio import KEEP_ALL, KeepRatio
from openai_proxy.domain.compression.strategies import BUILT_IN
from openai_proxy.domain.control.policy import ENDPOINTS, ROLES, CompressionPolicy, RequestOverrides
from openai_proxy.domain.control.rules import (
    ANY_NUMBER,
    Bounds,
    Condition,
    Instruction,
    Rule,
    Rules,
    TextFacts,
)

PROSE = "The committee will meet again on Tuesday, after the votes have been counted. " * 3
HALF, QUARTER = KeepRatio(Fraction(1, 2)), KeepRatio(Fraction(1, 4))
TOKENIZER = FakeTokenizer()

bounds = st.builds(Bounds, st.integers(0, 4), st.none() | st.integers(0, 6))
conditions = st.builds(
    Condition,
    endpoints=st.lists(st.sampled_from(ENDPOINTS), min_size=1, unique=True),
    roles=st.lists(st.sampled_from(ROLES), min_size=1, unique=True),
    models=st.sampled_from([(), ("*",), ("gpt-*",), ("GPT-4o",), ("o3*", "gpt-4o")]),
    turns=bounds,
    tokens=st.just(ANY_NUMBER) | st.builds(Bounds, st.integers(0, 40), st.integers(0, 60)),
)
instructions = st.builds(
    Instruction,
    compress=st.booleans(),
    keep_ratio=st.none() | keep_ratios | st.just(KEEP_ALL),
    target_tokens=st.none() | st.integers(1, 30),
    strategy=st.none() | st.sampled_from(list(BUILT_IN)),
    protect=st.none() | st.sampled_from([frozenset[str](), frozenset({"numbers"})]),
)
rules = st.lists(st.builds(Rule, st.just("r"), conditions, instructions), max_size=5).map(
    lambda listed: Rules(
        tuple(evolve(rule, name=f"{number}") for number, rule in enumerate(listed, 1))
    )
)
policies = st.builds(
    CompressionPolicy,
    keep_ratio=keep_ratios | st.just(KEEP_ALL),
    endpoints=st.frozensets(st.sampled_from(ENDPOINTS)),
    roles=st.frozensets(st.sampled_from(ROLES)),
    rules=rules,
)
facts = st.builds(
    TextFacts,
    endpoint=st.sampled_from(ENDPOINTS),
    model=st.sampled_from(["", "gpt-4o", "o3-mini", "Gpt-4"]),
    role=st.sampled_from(ROLES),
    turn=st.integers(0, 8),
    tokens=st.integers(0, 70),
)
messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(ROLES), "content": texts}), max_size=6
)


def rule(then: Instruction, **when: Any) -> Rule:
    return Rule("1", evolve(Condition(["chat"], ["user"]), **when), then)


def under(*listed: Rule, **settings: Any) -> CompressionPolicy:
    return evolve(CompressionPolicy(keep_ratio=HALF, rules=Rules(listed)), **settings)


def compressed(
    said: Sequence[Mapping[str, str]], policy: CompressionPolicy, model: str = "gpt-4o"
) -> CompressedBody:
    body = json.dumps({"model": model, "messages": said}).encode()
    return compress_body(body, "chat", policy, lambda _: TOKENIZER)


def message(role: str = "user", content: str = PROSE) -> dict[str, str]:
    return {"role": role, "content": content}


class TestTheFirstRuleThatMatchesWins:
    @given(rules, facts)
    def test_it_is_the_first_without_a_reason_against_it(
        self, rules: Rules, text: TextFacts
    ) -> None:
        reasons = [rule.when.why_not(text) for rule in rules.rules]

        taker = rules.first_match(text)

        assert taker == next(
            (rule for rule, why in zip(rules.rules, reasons, strict=True) if why is None), None
        )

    def test_each_condition_must_hold(self) -> None:
        text = TextFacts("chat", "gpt-4o-mini", "user", turn=2, tokens=100)
        reasons = {
            "endpoint": Condition(["responses"], ["user"]),
            "role": Condition(["chat"], ["tool"]),
            "model": Condition(["chat"], ["user"], models=("o3*", "gpt-4")),
            "turn": Condition(["chat"], ["user"], turns=Bounds(3)),
            "tokens": Condition(["chat"], ["user"], tokens=Bounds(0, 99)),
        }

        assert {name: condition.why_not(text) for name, condition in reasons.items()} == {
            "endpoint": "the endpoint is chat, not responses",
            "role": "the role is user, not tool",
            "model": "the model is gpt-4o-mini, not o3* or gpt-4",
            "turn": "the turn is 2, not at least 3",
            "tokens": "the text has 100 tokens, not at most 99",
        }
        assert (
            Condition(
                ["chat", "responses"],
                ["tool", "user"],
                models=("o3*", "GPT-4O*"),
                turns=Bounds(2, 2),
                tokens=Bounds(100, 100),
            ).why_not(text)
            is None
        )

    @given(policies, messages)
    def test_a_request_is_told_what_happens_to_it(
        self, policy: CompressionPolicy, said: Sequence[Mapping[str, str]]
    ) -> None:
        body = json.dumps({"model": "gpt-4o", "messages": said}).encode()

        done = compressed(said, policy)
        told = verdicts(body, "chat", policy, lambda _: TOKENIZER)

        taken_by = {text.pointer: text.rule for text in done.texts}
        taken_by |= {text.pointer: text.rule for text in done.left_alone}
        if policy.covers("chat") and done.texts:
            assert taken_by == {
                verdict.pointer: verdict.rule.name if verdict.rule else None
                for verdict in told
                if verdict.rule or verdict.is_chosen
            }


class TestTheLayers:
    @given(instructions, st.none() | keep_ratios, keep_ratios)
    def test_the_request_comes_before_the_rule_and_the_rule_before_the_settings(
        self, instruction: Instruction, asked: KeepRatio | None, set_up: KeepRatio
    ) -> None:
        policy = CompressionPolicy(keep_ratio=set_up, overrides=RequestOverrides(keep_ratio=asked))

        treatment = policy.treatment(instruction)

        assert treatment.keep_ratio == (asked or instruction.keep_ratio or set_up)
        assert treatment.target_tokens == (instruction.target_tokens if asked is None else None)

    def test_a_rule_compresses_where_the_settings_keep_everything(self) -> None:
        policy = under(rule(Instruction(keep_ratio=HALF), turns=Bounds(2)), keep_ratio=KEEP_ALL)

        done = compressed([message(), message()], policy)

        assert policy.covers("chat")
        assert [text.compressed.skipped for text in done.texts] == ["keep_all", None]
        assert [text.rule for text in done.texts] == [None, "1"]

    def test_a_rule_takes_the_roles_and_endpoints_it_names_chosen_or_not(self) -> None:
        policy = under(
            rule(Instruction(keep_ratio=QUARTER), roles=["tool"]),
            rule(Instruction(keep_ratio=QUARTER), endpoints=["responses"]),
        )
        frame = json.dumps({"type": "response.create", "input": PROSE}).encode()

        done = compressed([message("tool"), message("system"), message("user")], policy)
        done_with_frame = compress_frame(frame, policy, lambda _: TOKENIZER)

        assert [(text.role, text.compressed.keep_ratio) for text in done.texts] == [
            ("tool", QUARTER),
            ("user", HALF),
        ]
        assert [text.compressed.keep_ratio for text in done_with_frame.texts] == [QUARTER]
        assert not policy.covers("completions")

    def test_a_rule_that_leaves_a_text_alone_holds_against_the_request(self) -> None:
        asked = RequestOverrides(keep_ratio=QUARTER)
        policy = under(rule(Instruction(compress=False), turns=Bounds(1, 1)), overrides=asked)

        done = compressed([message(), message()], policy)

        assert [(left.pointer, left.reason, left.rule) for left in done.left_alone] == [
            ("/messages/0/content", "left_by_rule", "1")
        ]
        assert [text.compressed.keep_ratio for text in done.texts] == [QUARTER]

    def test_a_rule_may_protect_what_the_settings_do_not_and_the_other_way_round(self) -> None:
        numbers = frozenset({"numbers"})
        more = under(rule(Instruction(protect=numbers)), keep_ratio=QUARTER)
        less = under(rule(Instruction(protect=frozenset())), keep_ratio=QUARTER, protect=numbers)
        said = [message(content="Call 555 0199 or 555 0123 before 17 30 on 4 May " * 4)]

        kept = [compressed(said, policy).texts[0].compressed.text for policy in (more, less)]

        assert kept[0].count("0199") == 4
        assert kept[1].count("0199") < 4

    def test_nothing_is_covered_when_all_is_left_alone(self) -> None:
        alone = under(rule(Instruction(compress=False)), endpoints=frozenset())

        assert not alone.covers("chat")
        assert compressed([message()], alone).skipped == "keep_all"


class TestAGrowingConversation:
    @given(policies, messages, messages)
    def test_what_is_added_changes_nothing_of_what_was_said_before(
        self,
        policy: CompressionPolicy,
        said: Sequence[Mapping[str, str]],
        added: Sequence[Mapping[str, str]],
    ) -> None:
        before = compressed(said, policy)
        after = compressed([*said, *added], policy)

        assert after.texts[: len(before.texts)] == before.texts
        assert after.left_alone[: len(before.left_alone)] == before.left_alone
        assert after.body.startswith(before.body.removesuffix(b"]}"))


class TestShadow:
    @given(policies, messages)
    def test_it_computes_everything_and_sends_the_original(
        self, policy: CompressionPolicy, said: Sequence[Mapping[str, str]]
    ) -> None:
        original = json.dumps({"model": "gpt-4o", "messages": said}).encode()

        done = compressed(said, policy)
        shadow = compressed(said, evolve(policy, mode="shadow"))

        assert shadow.body == original
        assert (shadow.texts, shadow.skipped) == (done.texts, done.skipped)
        assert shadow.is_shadow == (done.body != original)
        assert shadow.status == ("shadow" if done.status == "applied" else "skipped")

    def test_off_covers_nothing_whatever_rules_say(self) -> None:
        policy = under(rule(Instruction(keep_ratio=HALF)), mode="off")

        assert not policy.compresses
        assert compressed([message()], policy).skipped == "off"
