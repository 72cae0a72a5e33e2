"""When work stops that nobody waits for, and what it leaves behind."""

import json
from itertools import count

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import FakeTokenizer
from tests.strategies import long_texts

from openai_proxy.domain.bodies.body_compression import compress_body
from openai_proxy.domain.bodies.cancellation import Cancelled, Check, never_cancelled
from openai_proxy.domain.bodies.compressed_body import CompressedBody
from openai_proxy.domain.bodies.json_spans import WINDOW_BYTES
from openai_proxy.domain.compression.blocks import LARGEST_BLOCK_TOKENS
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.control.policy import CompressionPolicy
from openai_proxy.domain.protection.protections import PROTECTIONS

HALVING = CompressionPolicy(keep_ratio=KeepRatio.from_tokens_to_keep_ratio(0.5))

SIZE = 20 * WINDOW_BYTES
STRUCTURES = {
    "empty arrays": b'{"messages": [%s]}' % b",".join([b"[]"] * (SIZE // 3)),
    "nested arrays": b'{"messages": [%s]}' % b",".join([b"[[[1]]]"] * (SIZE // 8)),
    "members nobody reads": b'{"n": {"n": [%s]}}' % b",".join([b"[{}]"] * (SIZE // 5)),
    "another's messages": b'{"messages": [%s]}'
    % b",".join([b'{"role":"tool","content":"a"}'] * (SIZE // 30)),
    "parts": b'{"messages": [{"role": "user", "content": [%s]}]}'
    % b",".join([b'{"type":"text"}'] * (SIZE // 16)),
    "keys": b"{%s}" % b",".join(b'"%d":0' % number for number in range(SIZE // 9)),
}


def chat(*texts: str) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": text} for text in texts]}).encode()


def compressed(body: bytes, check: Check, policy: CompressionPolicy = HALVING) -> CompressedBody:
    return compress_body(body, "chat", policy, lambda _: FakeTokenizer(), check=check)


def cancelled_at(number: int) -> Check:
    """A check that stops the work when it is called for this time, counted from 0."""
    calls = count()

    def check() -> None:
        if next(calls) >= number:
            raise Cancelled

    return check


def checks_during(body: bytes, policy: CompressionPolicy = HALVING) -> int:
    calls = count()

    def check() -> None:
        next(calls)

    compressed(body, check, policy)
    return next(calls)


@given(st.lists(long_texts, min_size=1, max_size=3), st.data())
def test_it_stops_at_any_check_and_leaves_nothing_behind(
    texts: list[str], data: st.DataObject
) -> None:
    body = chat(*texts)
    policy = evolve(
        HALVING,
        strategy=data.draw(st.sampled_from(["uniform", "words", "weighted"])),
        protect=data.draw(st.frozensets(st.sampled_from(PROTECTIONS))),
    )
    whole = compressed(body, never_cancelled, policy)
    number = data.draw(st.integers(0, checks_during(body, policy) - 1))

    stopped = compressed(body, cancelled_at(number), policy)

    assert stopped == CompressedBody.untouched("cancelled", body)
    assert compressed(body, never_cancelled, policy) == whole


def test_a_long_text_is_stopped_at_any_of_its_blocks() -> None:
    blocks = 50

    assert checks_during(chat(" a" * LARGEST_BLOCK_TOKENS * blocks)) >= blocks


@pytest.mark.parametrize("body", STRUCTURES.values(), ids=STRUCTURES)
def test_whatever_a_body_is_made_of_it_is_stopped_every_few_windows(body: bytes) -> None:
    assert checks_during(body) >= len(body) // (2 * WINDOW_BYTES)
