"""What was billed, read from a copy of an answer."""

import gzip
import json
import tracemalloc
import zlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openai_proxy.domain.bodies.usage import Usage, UsageReader

counts = st.integers(0, 10**9)
words = st.text(max_size=40)
line_ends = st.sampled_from(["\n", "\r", "\r\n"])


def read(data: bytes, encoding: bytes = b"", cuts: tuple[int, ...] = ()) -> Usage | None:
    reader = UsageReader(encoding)
    for start, end in pairwise([0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]):
        reader.add(data[start:end])
    return reader.usage()


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    cached, written, fresh = draw(counts), draw(counts), draw(counts)
    return Usage(
        model=draw(st.sampled_from(["gpt-4o-2024-08-06", "o3", "ft:gpt-4.1:org:x:1"])),
        input_tokens=cached + written + fresh,
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=draw(counts),
    )


def chat_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def responses_usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def chat(usage: Usage, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "model": usage.model,
        "choices": [{"index": 0, "message": message}],
        "usage": chat_usage(usage),
        "service_tier": "default",
    }


def response(usage: Usage, text: str) -> dict[str, Any]:
    content = {"type": "output_text", "text": text}
    return {
        "id": "resp_1",
        "model": usage.model,
        "output": [{"type": "message", "content": [content]}],
        "tools": [{"type": "image_generation", "model": "gpt-image-1"}],
        "usage": responses_usage(usage),
        "metadata": {"usage": text},
    }


def events(*data: object, line_end: str) -> bytes:
    lines = [f"data: {json.dumps(value)}{line_end}{line_end}" for value in data]
    return "".join([*lines, f"data: [DONE]{line_end}{line_end}"]).encode()


def chat_stream(usage: Usage, said: list[str], line_end: str) -> bytes:
    chunks: list[object] = [
        {"model": usage.model, "choices": [{"delta": {"content": text}}], "usage": None}
        for text in said
    ]
    last: dict[str, Any] = {"model": usage.model, "choices": [], "usage": chat_usage(usage)}
    return events(*chunks, last, line_end=line_end)


def responses_stream(usage: Usage, said: list[str], line_end: str) -> bytes:
    started = {"type": "response.created", "response": {"model": usage.model, "usage": None}}
    deltas = [{"type": "response.output_text.delta", "delta": text} for text in said]
    ended = {"type": "response.completed", "response": response(usage, "".join(said))}
    return events(started, *deltas, ended, line_end=line_end)


class TestReadingWhatWasBilled:
    @given(usages(), words)
    @example(Usage("o3", 3, output_tokens=2), '"usage": {"prompt_tokens": 999}')
    @example(Usage("o3", 3, output_tokens=2), '\\"usage": {"prompt_tokens": 999}')
    def test_an_answer_of_chat_completions_tells_it(self, usage: Usage, text: str) -> None:
        assert read(json.dumps(chat(usage, text)).encode()) == usage

    @given(usages(), words)
    @example(Usage("o3", 3, output_tokens=2), '{"usage": {"input_tokens": 999}}')
    def test_an_answer_of_the_responses_api_tells_it(self, usage: Usage, text: str) -> None:
        assert read(json.dumps(response(usage, text), indent=2).encode()) == usage

    @given(usages(), st.lists(words, max_size=5), line_ends)
    def test_a_stream_of_chat_completions_tells_it_at_its_end(
        self, usage: Usage, said: list[str], line_end: str
    ) -> None:
        assert read(chat_stream(usage, said, line_end)) == usage

    @given(usages(), st.lists(words, max_size=5), line_ends)
    def test_a_stream_of_responses_tells_it_in_its_last_event(
        self, usage: Usage, said: list[str], line_end: str
    ) -> None:
        assert read(responses_stream(usage, said, line_end)) == usage

    @given(usages(), line_ends)
    def test_an_event_may_go_over_several_lines(self, usage: Usage, line_end: str) -> None:
        lines = json.dumps(chat(usage, "hi"), indent=1).split("\n")

        assert read(line_end.join(f"data: {line}" for line in lines).encode()) == usage

    def test_the_last_of_several_counts(self) -> None:
        growing = [
            {"model": "m", "usage": {"prompt_tokens": 9, "completion_tokens": n}} for n in (1, 2)
        ]

        assert read(events(*growing, line_end="\n")) == Usage("m", 9, output_tokens=2)

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b'{"error": {"message": "no"}}',
            b'{"model": "m", "usage": null}',
            b'{"model": "m", "usage": {"total_tokens": 5}}',
            b'{"model": "m", "usage": {"prompt_tokens": "5"}}',
            b'{"model": "m", "usage": {"prompt_tokens": true}}',
            b'{"model": "m", "usage": {"prompt_tokens": -5}}',
            b'{"model": "m", "usage": {"prompt_tokens": 5.5}}',
            b'{"model": "m", "usage": {"prompt_tokens": ' + b"9" * 4000 + b"}}",
            b'{"model": "m", "usage": {"prompt_tokens": 5',
            b'{"model": "m", "usage": ' + b'{"a":' * 2000,
        ],
    )
    def test_an_answer_may_tell_nothing(self, answer: bytes) -> None:
        assert read(answer) is None

    def test_no_more_comes_from_the_cache_than_went_in(self) -> None:
        details = {"cached_tokens": 80, "cache_write_tokens": 80}
        counts = {"prompt_tokens": 100, "prompt_tokens_details": details}

        usage = read(json.dumps({"usage": counts}).encode())

        assert usage == Usage("", 100, cached_tokens=80, cache_write_tokens=20)


class TestWhateverTheBytes:
    @given(usages(), st.lists(words, max_size=20), st.lists(st.integers(0), max_size=20))
    def test_cutting_the_answer_anywhere_changes_nothing(
        self, usage: Usage, said: list[str], cuts: list[int]
    ) -> None:
        stream = chat_stream(usage, said, "\r\n")

        assert read(stream, cuts=tuple(cuts)) == usage
        assert read(gzip.compress(stream), b"gzip", tuple(cuts)) == usage

    @given(usages(), words)
    def test_an_encoded_answer_tells_the_same(self, usage: Usage, text: str) -> None:
        plain = json.dumps(chat(usage, text)).encode()

        assert read(gzip.compress(plain), b"gzip") == usage
        assert read(gzip.compress(plain[:50]) + gzip.compress(plain[50:]), b" GZIP") == usage
        assert read(zlib.compress(plain), b"deflate") == usage
        assert read(zlib.compress(plain, wbits=-15), b"deflate") == usage
        assert read(plain, b"identity") == usage

    @given(
        st.binary(max_size=300)
        | st.lists(
            st.sampled_from([b'"usage"', b":", b"{", b"}", b'"prompt_tokens":1', b"\\"])
        ).map(b"".join),
        st.sampled_from([b"", b"gzip", b"deflate", b"br", b"gzip, gzip"]),
    )
    def test_reading_never_raises(self, data: bytes, encoding: bytes) -> None:
        assert read(data, encoding) is None or isinstance(read(data, encoding), Usage)

    @given(usages(), st.integers(0, 400))
    def test_a_torn_encoded_answer_tells_what_came_or_nothing(self, usage: Usage, cut: int) -> None:
        torn = gzip.compress(json.dumps(chat(usage, "hi")).encode())[:-cut]

        assert read(torn, b"gzip") in (usage, None)

    def test_an_encoding_that_nobody_here_knows_is_not_read(self) -> None:
        assert read(b'{"usage": {"prompt_tokens": 5}}', b"zstd") is None


class TestMemory:
    USAGE = Usage("gpt-4o", 12, 4, output_tokens=3)

    @pytest.mark.parametrize("size", [7, 1000, 65536])
    def test_a_long_answer_is_read_in_little_of_it(self, size: int) -> None:
        long = json.dumps(chat(self.USAGE, "x" * 3_000_000)).encode()
        chunks = [long[at : at + size] for at in range(0, len(long), size)]
        reader = UsageReader()

        tracemalloc.start()
        for chunk in chunks:
            reader.add(chunk)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert reader.usage() == self.USAGE
        assert peak < 400 * 1024

    def test_a_decompression_bomb_is_left_alone(self) -> None:
        small = gzip.compress(b" " * 20_000_000 + json.dumps(chat(self.USAGE, "hi")).encode(), 9)
        large = small + bytes(300_000)

        tracemalloc.start()
        found = [read(bomb, b"gzip") for bomb in (small, large)]
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert found == [None, None]
        assert peak < 1_000_000
