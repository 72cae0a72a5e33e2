"""What becomes of the texts of a body, and that nothing else of it changes."""

import json
import re
import tracemalloc
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from tests.json_documents import Object, Speller, Value, broken, is_json, parse, spellers, values

from openai_proxy.domain.bodies.body_compression import compress_body, compress_frame
from openai_proxy.domain.bodies.compressed_body import BodySkipReason, CompressedBody, TextLeftAlone
from openai_proxy.domain.compression.keep_ratio import KEEP_ALL, KeepRatio
from openai_proxy.domain.compression.text import compress_text
from openai_proxy.domain.compression.tokenizer import Tokenizer
from openai_proxy.domain.control.policy import ENDPOINTS, CompressionPolicy

MIB = 1024 * 1024
PROSE = "The quick brown fox jumps over the lazy dog and goes on"
POLICY = CompressionPolicy(
    keep_ratio=KeepRatio(Fraction(1, 2)), endpoints=frozenset(ENDPOINTS), roles=frozenset({"user"})
)


class ByteTokenizer:
    """Takes each byte for a token."""

    name = "bytes"

    def encode(self, text: str, *, disallowed_special: Collection[str] = ()) -> list[int]:
        del disallowed_special
        return list(text.encode())

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        return [bytes([token]) for token in tokens]


class BrokenTokenizer(ByteTokenizer):
    """Fails on each text."""

    def __init__(self, failure: BaseException) -> None:
        self._failure = failure

    def encode(self, text: str, *, disallowed_special: Collection[str] = ()) -> list[int]:
        del text, disallowed_special
        raise self._failure


class Panic(BaseException):
    """What a library in Rust raises when it breaks: no Exception."""


def bytes_for(model: str) -> Tokenizer:
    del model
    return ByteTokenizer()


def compressed(
    body: bytes, endpoint: str = "chat", policy: CompressionPolicy = POLICY
) -> CompressedBody:
    return compress_body(body, endpoint, policy, bytes_for)


def thinned(text: str) -> str:
    return compress_text(text, POLICY.keep_ratio, ByteTokenizer()).text


def asking(*contents: Any) -> bytes:
    """A chat request with a user message of each content."""
    messages = [{"role": "user", "content": content} for content in contents]
    return json.dumps({"model": "gpt-4o", "messages": messages}).encode()


prose = st.text('ab \n"\\é漢🙂', min_size=8, max_size=40)
unknown_members = st.lists(
    st.tuples(st.sampled_from(["n", "metadata", "é", ""]), values()), max_size=2
)


def objects(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[Value]:
    """Objects with the known members and unknown ones, in any order."""
    return (
        st.tuples(st.fixed_dictionaries(known), unknown_members)
        .flatmap(lambda drawn: st.permutations([*drawn[0].items(), *drawn[1]]))
        .map(lambda members: Object(tuple(members)))
    )


text_parts = objects(type=st.sampled_from(["text", "image_url"]), text=prose)
messages = objects(
    role=st.sampled_from(["user", "user", "assistant"]),
    content=prose | st.lists(text_parts, max_size=2) | values(),
)
requests = objects(model=st.just("gpt-4o"), messages=st.lists(messages, max_size=4))
bodies = st.builds(Speller.spell, spellers, requests)


def tokens_of(text: bytes) -> list[bytes]:
    """The string literals of a JSON text, and what stands between them."""
    return re.findall(rb'"(?:[^"\\]|\\.)*"|[^"]+', text)


def with_texts(value: Value, texts: Mapping[str, str], pointer: str = "") -> Value:
    """`value` with the strings at these JSON Pointers replaced."""
    match value:
        case str():
            return texts.get(pointer, value)
        case Object():
            return Object(
                tuple(
                    (key, with_texts(item, texts, f"{pointer}/{key}"))
                    for key, item in value.members
                )
            )
        case list():
            return [
                with_texts(item, texts, f"{pointer}/{index}") for index, item in enumerate(value)
            ]
        case _:
            return value


class TestOnlyTheTextsChange:
    @given(bodies)
    def test_all_other_bytes_stay_as_they_were(self, body: bytes) -> None:
        result = compressed(body)

        assert [
            (json.loads(before), json.loads(after))
            for before, after in zip(tokens_of(body), tokens_of(result.body), strict=True)
            if before != after
        ] == [
            (text.original, text.compressed.text)
            for text in result.texts
            if text.compressed.skipped is None
        ]

    @given(bodies)
    def test_a_parser_sees_the_shorter_texts_at_their_pointers_and_all_else_as_before(
        self, body: bytes
    ) -> None:
        result = compressed(body)

        texts = {text.pointer: text.compressed.text for text in result.texts}
        assert parse(result.body) == with_texts(parse(body), texts)

    def test_an_ordinary_request_to_the_byte(self) -> None:
        body = (
            b'{ "temperature": 1.0e0,\r\n\t"messages":[{"role":"system","content":"Be \\u0062rief."},'
            b'{"content": "%s" ,"role":"us\\u0065r","n":1,"n":2}],"model":"gpt-4o","seed":-0}\n'
        )

        result = compressed(body % PROSE.encode())

        assert result.body == body % thinned(PROSE).encode()

    @given(st.lists(prose, min_size=1, max_size=6))
    def test_a_longer_conversation_starts_with_the_same_bytes(self, texts: list[str]) -> None:
        turns = [compressed(asking(*texts[:end])).body for end in range(1, len(texts) + 1)]

        for turn, next_turn in pairwise(turns):
            assert next_turn.startswith(turn.removesuffix(b"]}"))

    @given(bodies)
    def test_a_keep_ratio_of_one_changes_nothing(self, body: bytes) -> None:
        result = compressed(body, policy=evolve(POLICY, keep_ratio=KEEP_ALL))

        assert result == CompressedBody.untouched("keep_all", body)

    @given(broken(bodies) | st.binary(max_size=64))
    def test_whatever_comes_leaves_as_valid_as_it_was(self, body: bytes) -> None:
        result = compressed(body)

        assert is_json(result.body) == is_json(body)
        assert (result.body == body) == (result.skipped is not None)

    def test_texts_are_written_in_utf8_whatever_they_were_escaped_with(self) -> None:
        result = compressed(asking("漢字" * 20))

        assert "漢".encode() in result.body
        assert b"\\u" not in result.body


class TestWhatIsTold:
    def test_each_text_with_its_place_and_counts(self) -> None:
        result = compressed(asking(PROSE, [{"type": "text", "text": PROSE}], "a"))

        assert [(text.pointer, text.role, text.original) for text in result.texts] == [
            ("/messages/0/content", "user", PROSE),
            ("/messages/1/content/0/text", "user", PROSE),
            ("/messages/2/content", "user", "a"),
        ]
        assert (result.model, result.encoding, result.skipped) == ("gpt-4o", "bytes", None)
        assert (result.texts_compressed, result.tokens_before) == (2, 2 * len(PROSE) + 1)
        assert result.tokens_billed == 2 * len(thinned(PROSE)) + 1

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "not_json"),
            (asking(PROSE)[:-1], "not_json"),
            (asking(PROSE) + b"}", "not_json"),
            (asking(PROSE).decode().encode("utf-16"), "not_json"),
            (b"\xef\xbb\xbf" + asking(PROSE), "not_json"),
            (b'{"messages":' + b"[" * 100_000, "too_deep"),
            (b"[]", "unexpected_shape"),
            (b'{"model":7,"messages":[]}', "unexpected_shape"),
            (b'{"messages":[],"messages":[]}', "duplicate_keys"),
            (asking(*["a"] * 10_001), "too_many_texts"),
            (b"{}", "no_text"),
            (b'{"messages":null}', "no_text"),
            (asking(None, []), "no_text"),
            (asking("a", ""), "no_text_shorter"),
        ],
    )
    def test_a_body_that_stays_as_it_was_says_why(
        self, body: bytes, reason: BodySkipReason
    ) -> None:
        result = compressed(body)

        assert (result.body, result.skipped) == (body, reason)

    def test_an_endpoint_that_was_not_chosen_is_not_looked_at(self) -> None:
        body = asking(PROSE)

        result = compressed(body, policy=evolve(POLICY, endpoints=frozenset({"responses"})))

        assert result == CompressedBody.untouched("endpoint_not_chosen", body)

    @pytest.mark.parametrize(
        ("endpoint", "template"),
        [
            ("responses", b'{"input":"%s","instructions":"As it is."}'),
            ("completions", b'{"prompt":["%s",[1,2,3]]}'),
        ],
    )
    def test_the_other_endpoints_keep_their_texts_elsewhere(
        self, endpoint: str, template: bytes
    ) -> None:
        result = compressed(template % PROSE.encode(), endpoint)

        assert result.body == template % thinned(PROSE).encode()

    def test_the_tokenizer_is_the_models(self) -> None:
        asked = list[str]()

        def tokenizer_for(model: str) -> Tokenizer:
            asked.append(model)
            return ByteTokenizer()

        compress_body(asking(PROSE), "chat", POLICY, tokenizer_for)
        compress_body(b'{"prompt":"hello"}', "completions", POLICY, tokenizer_for)

        assert asked == ["gpt-4o", ""]


class TestGuards:
    def test_a_text_of_too_few_tokens_stays(self) -> None:
        result = compressed(asking("Hello", PROSE), policy=evolve(POLICY, min_tokens=len(PROSE)))

        assert [text.compressed.skipped for text in result.texts] == ["too_few_tokens", None]
        assert result.body == asking("Hello", thinned(PROSE))
        assert result.tokens_before - result.tokens_billed == len(PROSE) - len(thinned(PROSE))

    @pytest.mark.parametrize("literal", ["é" * 50, "\\u00e9" * 50, "\\u0061" * 100])
    def test_a_text_of_too_many_bytes_stays_however_it_is_spelt(self, literal: str) -> None:
        body = f'{{"prompt":["{literal}","{literal}é"]}}'.encode()

        result = compressed(body, "completions", evolve(POLICY, max_text_bytes=100))

        assert result.left_alone == (TextLeftAlone("/prompt/1", "user", "too_long"),)
        assert result.body.endswith(f'"{literal}é"]}}'.encode())
        assert result.texts_compressed == 1

    def test_a_text_with_half_a_surrogate_pair_stays_and_the_others_shrink(self) -> None:
        body = asking("\ud800" + PROSE, PROSE)

        result = compressed(body)

        assert result.left_alone == (
            TextLeftAlone("/messages/0/content", "user", "lone_surrogates"),
        )
        assert result.body == asking("\ud800" + PROSE, thinned(PROSE))

    def test_spellings_of_special_tokens_are_text_like_any_other(self) -> None:
        result = compressed(asking("<|endoftext|>" * 10))

        assert result.body == asking(thinned("<|endoftext|>" * 10))

    @pytest.mark.parametrize("failure", [ValueError(), MemoryError(), RecursionError(), Panic()])
    def test_a_tokenizer_that_fails_leaves_the_body_as_it_was(self, failure: BaseException) -> None:
        body = asking(PROSE)

        result = compress_body(body, "chat", POLICY, lambda _: BrokenTokenizer(failure))

        assert result.body == body
        assert result.skipped in {"failed", "no_text_shorter"}

    def test_a_model_without_a_tokenizer_leaves_the_body_as_it_was(self) -> None:
        def none_for(model: str) -> Tokenizer:
            raise LookupError(model)

        body = asking(PROSE)

        result = compress_body(body, "chat", POLICY, none_for)

        untouched = CompressedBody.untouched("failed", body)
        assert result == evolve(untouched, failure="LookupError")

    def test_a_failure_is_kept_by_its_type_alone(self) -> None:
        def breaks_at(model: str) -> Tokenizer:
            raise Panic(model)

        result = compress_body(asking(PROSE), "chat", POLICY, breaks_at)

        assert result.failure == "Panic"

    def test_an_interrupt_is_not_swallowed(self) -> None:
        with pytest.raises(KeyboardInterrupt):
            compress_body(
                asking(PROSE), "chat", POLICY, lambda _: BrokenTokenizer(KeyboardInterrupt())
            )

    @pytest.mark.parametrize(
        "bomb",
        [
            b'{"messages":[' + b'{"role":"user","content":"a"},' * 20_000 + b"0]}",
            b'{"messages":[' + b'{"role":"tool","content":"a"},' * 20_000 + b"0]}",
            b'{"messages":[' + b"[]," * 50_000 + b"0]}",
            b'{"tools":[' + b"[]," * 300_000 + b"0]}",
            b'{"messages":[],' + b",".join(b'"k%d":0' % n for n in range(20_000)) + b"}",
            asking("a" * 3 * MIB),
            asking("漢" * MIB),
        ],
        ids=["texts", "messages", "arrays", "ignored", "keys", "string", "escapes"],
    )
    def test_a_structure_bomb_costs_a_few_times_its_size(self, bomb: bytes) -> None:
        tracemalloc.start()

        compressed(bomb)

        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * len(bomb)


class TestFrames:
    @pytest.mark.parametrize(
        "template",
        [
            b'{"type":"response.create","model":"gpt-5","input":"%s"}',
            b'{"type":"response.create","response":{"input":[{"role":"user","content":"%s"}]}}',
        ],
    )
    def test_a_request_for_a_response_is_compressed_like_a_body(self, template: bytes) -> None:
        result = compress_frame(template % PROSE.encode(), POLICY, bytes_for)

        assert result.body == template % thinned(PROSE).encode()

    @pytest.mark.parametrize(
        ("frame", "reason"),
        [
            (b'{"type":"response.cancel"}', "other_event"),
            (b"ping", "not_json"),
            (b'{"type":"response.create","input":null}', "no_text"),
        ],
    )
    def test_other_frames_pass_untouched(self, frame: bytes, reason: BodySkipReason) -> None:
        result = compress_frame(frame, POLICY, bytes_for)

        assert (result.body, result.skipped) == (frame, reason)

    def test_frames_belong_to_the_responses_endpoint(self) -> None:
        policy = evolve(POLICY, endpoints=frozenset({"chat"}))

        assert compress_frame(b"{}", policy, bytes_for).skipped == "endpoint_not_chosen"
