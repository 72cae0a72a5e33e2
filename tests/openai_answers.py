"""What the scripted upstream says when nobody scripted it: a small echo in OpenAI's shapes."""

import json
import time
from typing import Any

from tests.upstream_exchange import Exchange

_JSON = (b"Content-Type", b"application/json")
_EVENTS = (b"Content-Type", b"text/event-stream")
_CHUNKED = (b"Transfer-Encoding", b"chunked")
_ID = "chatcmpl-scripted"


async def answer_like_openai(exchange: Exchange) -> None:
    """Receive a request whole and answer it: chat, models, and an echo of anything else."""
    request = exchange.request
    if request.values(b"expect"):
        await exchange.send_head(100)
    await exchange.receive_body()
    path = request.target.partition(b"?")[0]
    if path.endswith(b"/chat/completions") and request.method == b"POST":
        await _complete_chat(exchange)
    elif path.endswith(b"/models") and request.method == b"GET":
        await _send_json(exchange, {"object": "list", "data": [_model("gpt-4o")]})
    else:
        await _send_json(exchange, _echo(exchange))


async def _complete_chat(exchange: Exchange) -> None:
    try:
        asked: dict[str, Any] = json.loads(bytes(exchange.request.body))
        said = [_text(message["content"]) for message in asked["messages"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        await _send_json(exchange, _INVALID, status=400)
        return
    if asked.get("stream"):
        await _stream_words(exchange, asked, said)
    else:
        message = {"role": "assistant", "content": said[-1] if said else ""}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        answer = _completion("chat.completion", asked, choice) | {"usage": _usage(said)}
        await _send_json(exchange, answer)


async def _stream_words(exchange: Exchange, asked: dict[str, Any], said: list[str]) -> None:
    await exchange.send_head(200, [_EVENTS, _CHUNKED])
    for word in (said[-1] if said else "").split():
        choice = {"index": 0, "delta": {"content": word + " "}, "finish_reason": None}
        event = json.dumps(_completion("chat.completion.chunk", asked, choice)).encode()
        await exchange.send_chunk(b"data: " + event + b"\n\n")
    await exchange.send_chunk(b"data: [DONE]\n\n")
    await exchange.send_chunk(b"")


async def _send_json(exchange: Exchange, value: object, status: int = 200) -> None:
    await exchange.answer(status, [_JSON], json.dumps(value).encode())


def _echo(exchange: Exchange) -> dict[str, object]:
    request = exchange.request
    return {
        "method": request.method.decode("latin-1"),
        "target": request.target.decode("latin-1"),
        "headers": [[n.decode("latin-1"), v.decode("latin-1")] for n, v in request.headers],
        "body": request.body.decode("latin-1"),
    }


def _completion(kind: str, asked: dict[str, Any], choice: dict[str, Any]) -> dict[str, Any]:
    created = int(time.time())
    return {
        "id": _ID,
        "object": kind,
        "created": created,
        "model": asked.get("model", ""),
        "choices": [choice],
    }


def _usage(said: list[str]) -> dict[str, int]:
    words = sum(len(text.split()) for text in said)
    answered = len(said[-1].split()) if said else 0
    return {
        "prompt_tokens": words,
        "completion_tokens": answered,
        "total_tokens": words + answered,
    }


def _text(content: str | list[dict[str, str]] | None) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return content or ""


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 1715367049, "owned_by": "system"}


_INVALID = {
    "error": {
        "message": "We could not parse the JSON body of your request.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
}
