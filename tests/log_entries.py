"""Requests and compressions as the relay hands them to a log."""

from fractions import Fraction
from typing import Any

from attrs import evolve

from openai_proxy.domain.bodies.compressed_body import CompressedBody, TextInBody
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.text import CompressedText
from openai_proxy.domain.ports import RelayedRequest

NOON = 1_750_248_000.25
"""2025-06-18T12:00:00.250Z."""

_CHAT = RelayedRequest(
    request_id="5f3a-1",
    started_at=NOON,
    duration_seconds=0.532,
    method="POST",
    path="/v1/chat/completions",
    status=200,
    request_bytes=120,
    response_bytes=4500,
    complete=True,
)

_HALVED = CompressedText(
    text="The brown jumps the dog.",
    tokens_before=10,
    tokens_kept=6,
    tokens_billed=6,
    keep_ratio=KeepRatio(Fraction(1, 2)),
    strategy="uniform",
)


def a_request(**changes: Any) -> RelayedRequest:
    return evolve(_CHAT, **changes)


def a_text(
    original: str = "The quick brown fox jumps over the lazy dog.",
    *,
    pointer: str = "/messages/0/content",
    role: str = "user",
    **changes: Any,
) -> TextInBody:
    return TextInBody(pointer, role, original, evolve(_HALVED, **changes))


def a_compression(*texts: TextInBody, model: str = "gpt-4o", **changes: Any) -> CompressedBody:
    body = CompressedBody(b"{}", model, "o200k_base", texts or (a_text(),))
    return evolve(body, **changes)
