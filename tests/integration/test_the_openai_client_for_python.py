"""The real `openai` package, given the proxy's address, notices no difference."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam
from tests.running_proxy import RunningProxy
from tests.scripted_upstream import (
    EVENT_STREAM,
    ScriptedUpstream,
    answer,
    chunk,
    close,
    end_of_chunks,
    event,
    head,
    receive,
    stall,
)

JSON = (b"Content-Type", b"application/json")
QUESTION: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "How are you?"}]
PART = b'{"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}'
BINARY = bytes(range(256)) * 40


@pytest.fixture(params=["", "/v1"], ids=["without /v1", "with /v1"])
def base_url(proxy: RunningProxy, request: pytest.FixtureRequest) -> str:
    return f"{proxy.url}{request.param}"


@pytest.fixture
def client(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key="sk-callers-own", max_retries=0) as client:
        yield client


class TestChat:
    def test_an_answer(self, client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
        got = client.chat.completions.create(model="gpt-4o", messages=QUESTION)

        assert got.choices[0].message.content == "How are you?"
        assert got.usage is not None
        assert got.usage.prompt_tokens == 3
        received = upstream.requests[0]
        assert received.target == b"/v1/chat/completions"
        assert received.values(b"authorization") == [b"Bearer sk-callers-own"]

    def test_a_stream(self, client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
        stream = client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)

        words = [part.choices[0].delta.content for part in stream]

        assert words == ["How ", "are ", "you? "]
        assert json.loads(bytes(upstream.requests[0].body))["stream"] is True

    def test_a_stream_that_breaks_off_raises(
        self, client: openai.OpenAI, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), head(200, EVENT_STREAM), event(PART), close())
        stream = client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)

        assert next(stream).id == "1"
        with pytest.raises(openai.APIConnectionError):
            next(stream)

    def test_leaving_a_stream_closes_the_upstream(
        self, client: openai.OpenAI, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), head(200, EVENT_STREAM), *[event(PART)] * 3, stall())

        with client.chat.completions.create(
            model="gpt-4o", messages=QUESTION, stream=True
        ) as stream:
            next(stream)

        upstream.requests[0].departure.wait(1)

    def test_the_raw_answer(self, client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
        body = b'{"id": "1", "object": "list", "data": []}'
        fields = [JSON, (b"X-Request-Id", b"req_7"), (b"X-RateLimit-Remaining-Tokens", b"149")]
        upstream.plays(answer(200, fields, body))

        raw = client.models.with_raw_response.list()

        assert raw.headers["x-request-id"] == "req_7"
        assert raw.headers["x-ratelimit-remaining-tokens"] == "149"
        assert raw.content == body


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, openai.BadRequestError),
            (401, openai.AuthenticationError),
            (404, openai.NotFoundError),
            (429, openai.RateLimitError),
            (500, openai.InternalServerError),
        ],
    )
    def test_an_error_of_the_upstream_is_the_clients_own(
        self,
        client: openai.OpenAI,
        upstream: ScriptedUpstream,
        status: int,
        kind: type[openai.APIStatusError],
    ) -> None:
        error = {"message": "No.", "type": "t", "param": "p", "code": "c"}
        upstream.plays(receive(), answer(status, [JSON], json.dumps({"error": error}).encode()))

        with pytest.raises(kind) as raised:
            client.chat.completions.create(model="gpt-4o", messages=QUESTION)

        assert raised.value.body == error

    def test_retry_after_makes_the_client_try_again(
        self, base_url: str, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), answer(429, [JSON, (b"Retry-After-Ms", b"20")], b"{}"))
        upstream.plays(receive(), answer(503, [JSON, (b"Retry-After-Ms", b"20")], b"{}"))

        with openai.OpenAI(base_url=base_url, api_key="sk-own", max_retries=2) as client:
            got = client.chat.completions.create(model="gpt-4o", messages=QUESTION)

        assert got.choices[0].message.content == "How are you?"
        assert len(upstream.requests) == 3

    def test_an_error_of_the_proxy_reads_like_one_of_the_upstream(
        self, client: openai.OpenAI, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(receive(), close())

        with pytest.raises(openai.InternalServerError) as raised:
            client.chat.completions.create(model="gpt-4o", messages=QUESTION)

        assert raised.value.status_code == 502
        assert raised.value.type == "proxy_error"


def test_a_response_and_its_stream(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    whole: dict[str, Any] = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-4o",
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Fine.", "annotations": []}],
            }
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    delta: dict[str, Any] = {
        "type": "response.output_text.delta",
        "delta": "Fine",
        "sequence_number": 1,
        "item_id": "msg_1",
        "output_index": 0,
        "content_index": 0,
        "logprobs": [],
    }
    completed = {"type": "response.completed", "sequence_number": 2, "response": whole}
    upstream.plays(receive(), answer(200, [JSON], json.dumps(whole).encode()))
    upstream.plays(
        receive(),
        head(200, EVENT_STREAM),
        chunk(b"event: response.output_text.delta\n"),
        event(json.dumps(delta).encode()),
        chunk(b"event: response.completed\n"),
        event(json.dumps(completed).encode()),
        end_of_chunks(),
    )

    got = client.responses.create(model="gpt-4o", input="How are you?")
    events = list(client.responses.create(model="gpt-4o", input="How are you?", stream=True))

    assert got.output_text == "Fine."
    assert [one.type for one in events] == [delta["type"], completed["type"]]


class TestFiles:
    def test_an_upload(self, client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
        described = {
            "id": "file-1",
            "object": "file",
            "bytes": len(BINARY),
            "created_at": 1,
            "filename": "a.bin",
            "purpose": "user_data",
            "status": "processed",
        }
        upstream.plays(receive(), answer(200, [JSON], json.dumps(described).encode()))

        got = client.files.create(file=("a.bin", BINARY), purpose="user_data")

        assert got.id == "file-1"
        assert BINARY in upstream.requests[0].body
        assert upstream.requests[0].complete

    def test_a_download(self, client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
        upstream.plays(answer(200, [(b"Content-Type", b"application/octet-stream")], BINARY))

        got = client.files.content("file-1").read()

        assert got == BINARY
        assert upstream.requests[0].target == b"/v1/files/file-1/content"


class TestAudio:
    def test_speech_arrives_as_it_is_spoken(
        self, client: openai.OpenAI, upstream: ScriptedUpstream
    ) -> None:
        audio = [(b"Content-Type", b"audio/mpeg"), (b"Transfer-Encoding", b"chunked")]
        upstream.plays(
            receive(), head(200, audio), chunk(BINARY[:9]), chunk(BINARY[9:]), end_of_chunks()
        )

        with client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input="Hello"
        ) as spoken:
            got = b"".join(spoken.iter_bytes())

        assert got == BINARY

    def test_a_transcription(self, client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
        upstream.plays(receive(), answer(200, [JSON], b'{"text": "Hello"}'))

        got = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", BINARY))

        assert got.text == "Hello"
        assert BINARY in upstream.requests[0].body


class TestTheAsynchronousClient:
    def test_answers_and_streams_side_by_side(
        self, base_url: str, upstream: ScriptedUpstream
    ) -> None:
        async def converse() -> tuple[list[str | None], list[str]]:
            async with openai.AsyncOpenAI(
                base_url=base_url, api_key="sk-own", max_retries=0
            ) as client:
                answers = asyncio.gather(*[_answer(client, n) for n in range(10)])
                streams = asyncio.gather(*[_stream(client, n) for n in range(10)])
                return await answers, await streams

        answers, streams = asyncio.run(converse())

        assert answers == [f"question {n}" for n in range(10)]
        assert streams == [f"question {n} " for n in range(10)]
        assert len(upstream.requests) == 20


async def _answer(client: openai.AsyncOpenAI, number: int) -> str | None:
    got = await client.chat.completions.create(model="gpt-4o", messages=_question(number))
    return got.choices[0].message.content


async def _stream(client: openai.AsyncOpenAI, number: int) -> str:
    stream = await client.chat.completions.create(
        model="gpt-4o", messages=_question(number), stream=True
    )
    return "".join([part.choices[0].delta.content or "" async for part in stream])


def _question(number: int) -> list[ChatCompletionUserMessageParam]:
    return [{"role": "user", "content": f"question {number}"}]
