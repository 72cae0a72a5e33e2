"""A stand-in for the OpenAI API: it echoes what reaches it and counts its tokens."""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from litestar import Litestar, Response, post
from litestar.response import Stream

from ...domain.ports import Tokenizer

_TOKENS_PER_MESSAGE = 4
"""Three around each message, and its role."""
_TOKENS_OF_PRIMING = 3


def demo_upstream(tokenizer_for: Callable[[str], Tokenizer]) -> Litestar:
    """An application that answers chat completions, streaming or not, as the API reference says."""

    @post("/v1/chat/completions", status_code=200)
    async def chat(data: dict[str, Any]) -> Response[Any]:
        model = str(data.get("model", "demo"))
        texts = [_text_of(message) for message in data.get("messages", [])]
        words = ("You said: " + (texts[-1] if texts else "nothing")).split(" ")
        usage = _usage(tokenizer_for(model), texts, words)
        if data.get("stream"):
            return Stream(_events(model, words, usage), media_type="text/event-stream")
        return Response(_completion(model, words, usage))

    return Litestar([chat], openapi_config=None, logging_config=None)


def _text_of(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in content)


def _usage(tokenizer: Tokenizer, texts: Sequence[str], words: Sequence[str]) -> dict[str, int]:
    prompt = _TOKENS_OF_PRIMING + sum(
        _TOKENS_PER_MESSAGE + _count(tokenizer, text) for text in texts
    )
    completion = _count(tokenizer, " ".join(words))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _count(tokenizer: Tokenizer, text: str) -> int:
    return len(tokenizer.encode(text, disallowed_special=()))


def _completion(model: str, words: Sequence[str], usage: dict[str, int]) -> dict[str, Any]:
    message = {"role": "assistant", "content": " ".join(words), "refusal": None}
    return {
        "id": "chatcmpl-demo",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
    }


async def _events(model: str, words: Sequence[str], usage: dict[str, int]) -> AsyncGenerator[bytes]:
    head = {"id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 0, "model": model}
    for position, word in enumerate(words):
        delta = {"content": word if position == 0 else f" {word}"}
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    end: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop"}
    yield _event({**head, "choices": [end], "usage": usage})
    yield b"data: [DONE]\n\n"


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"
