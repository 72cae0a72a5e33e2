"""What is told about a compression: in the fields of the answer, and span by span."""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fakes import FakeTokenizer
from tests.strategies import any_texts, keep_ratios, texts

from openai_proxy.domain.bodies.answer_fields import compression_fields
from openai_proxy.domain.bodies.body_compression import compress_body
from openai_proxy.domain.bodies.compressed_body import CompressedBody
from openai_proxy.domain.bodies.compression_question import question_about_text, read_question
from openai_proxy.domain.bodies.explanation import explanation, removed_spans
from openai_proxy.domain.compression.blocks import first_link
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.strategies import BUILT_IN
from openai_proxy.domain.control.policy import CompressionPolicy, Mode
from openai_proxy.domain.control.rules import Condition, Instruction, Rule, Rules
from openai_proxy.domain.errors import BadRequest
from openai_proxy.domain.protection.protections import PROTECTIONS

TOKENIZER = FakeTokenizer()
HALF = KeepRatio(Fraction(1, 2))
PROSE = "The committee will meet again on Tuesday, after the votes have been counted."


def asking(*contents: str) -> bytes:
    messages = [{"role": "user", "content": content} for content in contents]
    return json.dumps({"model": "gpt-4o", "messages": messages}).encode()


def compressed(body: bytes, policy: CompressionPolicy, endpoint: str = "chat") -> CompressedBody:
    return compress_body(body, endpoint, policy, lambda _: TOKENIZER)


def without(text: str, spans: tuple[tuple[int, int], ...]) -> str:
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(text)]
    return "".join(text[end:start] for end, start in zip(ends, starts, strict=True))


class TestTheRemovedSpans:
    @given(
        any_texts,
        keep_ratios,
        st.sampled_from(list(BUILT_IN)),
        st.frozensets(st.sampled_from(PROTECTIONS)),
    )
    @example("a <keep>b</keep> c d e f g", HALF, "words", frozenset({"tags"}))
    @example("one<keep></keep>word in two pieces", HALF, "words", frozenset({"tags"}))
    def test_the_original_without_them_is_what_is_sent(
        self, text: str, keep_ratio: KeepRatio, strategy: str, protect: frozenset[str]
    ) -> None:
        policy = CompressionPolicy(keep_ratio=keep_ratio, strategy=strategy, protect=protect)

        for made in compressed(asking(text), policy).texts:
            assert without(made.original, removed_spans(made)) == made.compressed.text

    @given(texts.map(lambda text: f"{text}<keep>{text}</keep>{text}"), keep_ratios)
    def test_they_are_in_order_and_apart(self, text: str, keep_ratio: KeepRatio) -> None:
        policy = CompressionPolicy(keep_ratio=keep_ratio, protect=frozenset({"tags"}))

        for made in compressed(asking(text), policy).texts:
            bounds = [bound for span in removed_spans(made) for bound in span]
            assert bounds == sorted(bounds)
            assert all(start < end for start, end in removed_spans(made))


class TestTheExplanation:
    def test_it_tells_rule_strategy_seed_counts_and_spans_of_each_text(self) -> None:
        rule = Rule(
            "short", Condition(["chat"], ["user"]), Instruction(keep_ratio=HALF, strategy="words")
        )
        policy = CompressionPolicy(rules=Rules((rule,)), salt=b"s")
        done = compressed(asking(PROSE), policy)
        (made,) = done.texts

        told = explanation(done, policy.salt)

        assert told["texts"] == [
            {
                "pointer": "/messages/0/content",
                "role": "user",
                "rule": "short",
                "strategy": "words",
                "seed": first_link("fake", "words", b"s").hex(),
                "keep_ratio": 0.5,
                "skipped": None,
                "tokens_before": made.compressed.tokens_before,
                "tokens_kept": made.compressed.tokens_kept,
                "tokens_billed": made.compressed.tokens_billed,
                "tokens_unmet": 0,
                "removed": removed_spans(made),
                "text": made.compressed.text,
            }
        ]
        assert (told["status"], told["algorithm"], told["encoding"]) == ("applied", "rtc/1", "fake")

    def test_it_tells_why_a_text_was_left_alone(self) -> None:
        rule = Rule("never", Condition(["chat"], ["user"]), Instruction(compress=False))
        policy = CompressionPolicy(HALF, rules=Rules((rule,)), roles=frozenset({"user", "tool"}))

        told = explanation(compressed(asking(PROSE), policy), b"")

        assert told["left_alone"] == [
            {
                "pointer": "/messages/0/content",
                "role": "user",
                "rule": "never",
                "reason": "left_by_rule",
            }
        ]
        assert (told["status"], told["reason"]) == ("skipped", "no_text_shorter")

    @pytest.mark.parametrize(("model", "assumed"), [("gpt-4o", False), ("mistral-large", True)])
    def test_it_tells_whether_the_encoding_is_assumed(self, model: str, *, assumed: bool) -> None:
        body = asking(PROSE).replace(b"gpt-4o", model.encode())

        told = explanation(compressed(body, CompressionPolicy(HALF)), b"")

        assert told["encoding_assumed"] is assumed

    def test_it_assumes_no_encoding_where_nobody_looked(self) -> None:
        told = explanation(compressed(b"", CompressionPolicy(HALF)), b"")

        assert told["encoding_assumed"] is False

    @given(any_texts, keep_ratios)
    def test_it_is_json(self, text: str, keep_ratio: KeepRatio) -> None:
        done = compressed(asking(text), CompressionPolicy(keep_ratio=keep_ratio))

        assert json.loads(json.dumps(explanation(done, b"")))["model"] == "gpt-4o"


class TestTheQuestion:
    @given(any_texts, keep_ratios)
    def test_a_text_becomes_what_a_users_message_would(
        self, text: str, keep_ratio: KeepRatio
    ) -> None:
        policy = CompressionPolicy(keep_ratio=keep_ratio)
        elsewhere = CompressionPolicy(
            keep_ratio=keep_ratio, mode="off", endpoints=frozenset(), roles=frozenset()
        )

        asked = question_about_text(text, "gpt-4o", elsewhere)

        answered = compressed(asked.body, asked.policy, asked.endpoint)
        assert answered == compressed(asking(text), policy)

    def test_what_it_brings_comes_before_rules_and_settings(self) -> None:
        asked = {
            "request": {"model": "gpt-4o", "input": PROSE},
            "endpoint": "responses",
            "tokens_to_keep_ratio": 0.5,
            "strategy": "weighted",
            "protect": ["numbers"],
        }

        question = read_question(json.dumps(asked).encode(), CompressionPolicy(), BUILT_IN)

        assert (json.loads(question.body), question.endpoint) == (asked["request"], "responses")
        treatment = question.policy.treatment(Instruction(target_tokens=3, protect=frozenset()))
        assert treatment.keep_ratio == HALF
        assert treatment.target_tokens is None
        assert treatment.strategy is BUILT_IN["weighted"]
        assert treatment.protect == {"numbers"}

    @pytest.mark.parametrize(
        "request_body",
        [
            b'{"messages": [], "messages": [{"role": "user", "content": "%s"}]}' % PROSE.encode(),
            b'{ "model":"gpt-4o","messages":[{"role":"user","content":"\\u0041 \xc3\xa9 1e2"}] }',
        ],
    )
    def test_a_request_is_asked_about_byte_for_byte(self, request_body: bytes) -> None:
        raw = b'{"strategy": "words", "request":%s, "endpoint": "chat"}' % request_body

        question = read_question(raw, CompressionPolicy(HALF), BUILT_IN)

        assert question.body == request_body

    def test_keys_that_come_twice_are_explained_as_the_relay_sees_them(self) -> None:
        raw = b'{"request": {"messages": [], "messages": []}}'

        question = read_question(raw, CompressionPolicy(HALF), BUILT_IN)

        assert compressed(question.body, question.policy).skipped == "duplicate_keys"

    @pytest.mark.parametrize(
        ("asked", "param"),
        [
            (b'{"request": {}, "request": {}}', "request"),
            (b'{"request": {"temperature": NaN}}', "request"),
            (b"", None),
            (b"[]", None),
            (b"[" * 100_000, None),
            ({}, "text"),
            ({"text": "a", "request": {}}, "text"),
            ({"text": 3}, "text"),
            ({"text": "a", "model": None}, "model"),
            ({"request": []}, "request"),
            ({"request": {}, "endpoint": "images"}, "endpoint"),
            ({"request": {}, "endpoint": ["chat"]}, "endpoint"),
            ({"text": "a", "ratio": 2}, "ratio"),
            ({"text": "a", "compression_ratio": 0.5}, "compression_ratio"),
            ({"text": "a", "compression_ratio": [2]}, "compression_ratio"),
            ({"text": "a", "tokens_to_keep_ratio": True}, "tokens_to_keep_ratio"),
            ({"text": "a", "strategy": "os:system"}, "strategy"),
            ({"text": "a", "protect": "numbers"}, "protect"),
            ({"text": "a", "protect": ["vowels"]}, "protect"),
        ],
    )
    def test_a_bad_one_is_refused_by_the_name_of_its_field(
        self, asked: Any, param: str | None
    ) -> None:
        raw = asked if isinstance(asked, bytes) else json.dumps(asked).encode()

        with pytest.raises(BadRequest) as refused:
            read_question(raw, CompressionPolicy(), BUILT_IN)

        assert refused.value.param == param


class TestTheFieldsOfTheAnswer:
    def test_they_tell_what_was_done(self) -> None:
        policy = CompressionPolicy(HALF)
        done = compressed(asking(PROSE, "a"), policy)

        assert dict(compression_fields(policy, done)) == {
            b"x-compression-status": b"applied",
            b"x-compression-tokens-before": b"%d" % done.tokens_before,
            b"x-compression-tokens-after": b"%d" % done.tokens_billed,
            b"x-compression-keep-ratio": b"0.5",
            b"x-compression-billed-ratio": b"%.4g" % (done.tokens_billed / done.tokens_before),
            b"x-compression-texts": b"1",
        }

    def test_they_tell_why_nothing_was_done(self) -> None:
        policy = CompressionPolicy(KeepRatio(Fraction(1, 3)))
        done = CompressedBody.untouched("not_json")

        assert compression_fields(policy, done) == [
            (b"x-compression-status", b"skipped"),
            (b"x-compression-reason", b"not_json"),
            (b"x-compression-keep-ratio", b"0.3333"),
            (b"x-compression-texts", b"0"),
        ]

    @given(st.lists(any_texts, max_size=4), keep_ratios, st.sampled_from(["on", "shadow"]))
    def test_they_can_always_be_sent_and_agree_with_one_another(
        self, contents: list[str], keep_ratio: KeepRatio, mode: Mode
    ) -> None:
        policy = CompressionPolicy(keep_ratio=keep_ratio, mode=mode)
        done = compressed(asking(*contents), policy)

        told = {name: value.decode() for name, value in compression_fields(policy, done)}

        assert all(value.isascii() and value.isprintable() for value in told.values())
        assert float(told[b"x-compression-keep-ratio"]) == float(f"{float(keep_ratio.share):.4g}")
        if told[b"x-compression-status"] != "skipped":
            before = int(told[b"x-compression-tokens-before"])
            after = int(told[b"x-compression-tokens-after"])
            assert float(told[b"x-compression-billed-ratio"]) == float(f"{after / before:.4g}")
            assert after < before
