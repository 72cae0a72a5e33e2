"""What the proxy tells of itself: savings in tokens and money, metrics, and to whom."""

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.http_fields import values_of
from tests.raw_client import Answer, connected, request
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import (
    CHUNKED,
    EVENT_STREAM,
    ScriptedUpstream,
    Step,
    answer,
    chunk,
    close,
    end_of_chunks,
    event,
    head,
    receive,
    stall,
)
from tests.waiting import wait_until
from tests.websocket_client import handshake

from openai_proxy.adapters import tokenizer_for

JSON = (b"Content-Type", b"application/json")
CHAT = b"/v1/chat/completions"
MODEL = "gpt-4o-2024-08-06"
DOCUMENT = " ".join(f"Item {n}: the miller's {n}th sack holds {n * 7} pounds." for n in range(150))
PROXY_KEY = b"pk-the-proxys-own"
QUESTIONS = (f"{DOCUMENT} Which is the heaviest?", "And which is the lightest of all?", "Why so?")

INPUT_PRICE, CACHED_PRICE, OUTPUT_PRICE = 2.5, 0.25, 10.0
PRICES = f"""
[[price]]
model = "gpt-4o*"
input = {INPUT_PRICE}
cached_input = {CACHED_PRICE}
output = {OUTPUT_PRICE}
"""


def ask(
    proxy: RunningProxy, target: bytes, *headers: tuple[bytes, bytes], body: bytes | None = None
) -> Answer:
    with connected(proxy.address) as client:
        method = b"GET" if body is None else b"POST"
        return client.ask(method, target, [JSON, *headers], body)


def chat(*messages: str, **more: object) -> bytes:
    roles = ("user", "assistant")
    turns = [{"role": roles[n % 2], "content": text} for n, text in enumerate(messages)]
    return json.dumps({"model": "gpt-4o", "messages": turns, **more}).encode()


def completion(input_tokens: int, cached_tokens: int, output_tokens: int) -> bytes:
    usage = {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
    }
    return json.dumps({"model": MODEL, "choices": [], "usage": usage}).encode()


def whole(body: bytes, *headers: tuple[bytes, bytes]) -> tuple[Step, ...]:
    return receive(), answer(200, [JSON, *headers], body)


def streamed(body: bytes) -> tuple[Step, ...]:
    middle = len(body) // 2
    pieces = (b"data: " + body[:middle], body[middle:] + b"\r\n\r\n")
    words = event(b'{"choices":[{"delta":{"content":"hi"}}],"usage":null}')
    done = event(b"[DONE]")
    return receive(), head(200, EVENT_STREAM), words, *map(chunk, pieces), done, end_of_chunks()


def stats(proxy: RunningProxy, ended: int) -> dict[str, Any]:
    """The page, once so many requests have ended."""
    page: dict[str, Any] = {}

    def has_come() -> bool:
        page.update(json.loads(ask(proxy, b"/_proxy/stats").body))
        return bool(page["requests"]["ended"] >= ended)

    wait_until(has_come)
    return page


def metrics(proxy: RunningProxy) -> dict[str, float]:
    """Every sample under its name and labels."""
    text = ask(proxy, b"/_proxy/metrics").body.decode()
    return {
        sample.name + "".join(f" {label}={value}" for label, value in sample.labels.items()): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def prices_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prices") / "prices.toml"
    path.write_text(PRICES)
    return path


@pytest.fixture
def halving(start_proxy: StartProxy, prices_file: Path) -> RunningProxy:
    return start_proxy(COMPRESSION_RATIO="2", PRICES_FILE=str(prices_file))


@pytest.fixture(scope="module")
def keyed(start_proxy: StartProxy) -> RunningProxy:
    """As on a platform, where nobody is a neighbour."""
    return start_proxy(PROXY_API_KEYS=PROXY_KEY.decode(), K_SERVICE="openai-proxy")


class TestAKnownConversation:
    """Three turns: answered whole, as a stream and encoded; the second is partly cached."""

    USAGES = ((1700, 0, 40), (1800, 1664, 30), (1900, 1792, 20))

    @pytest.fixture
    def page(self, halving: RunningProxy, upstream: ScriptedUpstream) -> dict[str, Any]:
        bodies = [completion(*usage) for usage in self.USAGES]
        encoded = gzip.compress(bodies[2])
        upstream.plays(*whole(bodies[0]))
        upstream.plays(*streamed(bodies[1]))
        upstream.plays(*whole(encoded, (b"Content-Encoding", b"gzip")))
        said: list[str] = []
        answers: list[Answer] = []
        for question in QUESTIONS:
            said.append(question)
            answers.append(ask(halving, CHAT, body=chat(*said)))
            said.append("Sack and all.")
        assert answers[2].body == encoded
        return stats(halving, ended=3)

    @staticmethod
    def tokens(upstream: ScriptedUpstream) -> Iterator[tuple[list[int], list[int]]]:
        """For each turn the tokens of its questions, as asked and as they arrived."""
        encoding = tokenizer_for("gpt-4o")
        for received in upstream.requests:
            messages = json.loads(bytes(received.body))["messages"]
            arrived = [message["content"] for message in messages if message["role"] == "user"]
            asked = QUESTIONS[: len(arrived)]
            yield (
                [len(encoding.encode(text, disallowed_special=())) for text in asked],
                [len(encoding.encode(text, disallowed_special=())) for text in arrived],
            )

    def test_estimates_are_what_was_asked_less_what_arrived(
        self, page: dict[str, Any], upstream: ScriptedUpstream
    ) -> None:
        turns = list(self.tokens(upstream))

        before = sum(sum(asked) for asked, _ in turns)
        after = sum(sum(arrived) for _, arrived in turns)
        assert page["estimated"] == {
            "requests": 3,
            "tokens_before": before,
            "tokens_after": after,
            "tokens_saved": before - after,
            "shadow_tokens_saved": 0,
            "answers_without_usage": 0,
        }

    def test_the_bill_is_what_the_answers_said(self, page: dict[str, Any]) -> None:
        assert page["billed"] == {
            "uncached_input_tokens": 1700 + 136 + 108,
            "cached_input_tokens": 1664 + 1792,
            "cache_write_tokens": 0,
            "output_tokens": 90,
        }
        assert list(page["models"]) == [MODEL]

    def test_the_money_is_right_to_four_decimals(
        self, page: dict[str, Any], upstream: ScriptedUpstream
    ) -> None:
        billed = supposed = 0.0
        for (asked, arrived), usage in zip(self.tokens(upstream), self.USAGES, strict=True):
            input_tokens, cached, output = usage
            total = input_tokens + sum(asked) - sum(arrived)
            repeated = total * sum(asked[:-1]) // sum(asked) // 128 * 128
            would_be_cached = max(total * cached // input_tokens, repeated)
            billed += self.cost(input_tokens - cached, cached, output)
            supposed += self.cost(total - would_be_cached, would_be_cached, output)

        money = page["money"]

        assert round(money["billed"]["total"], 4) == round(billed, 4)
        assert round(money["without_compression"]["total"], 4) == round(supposed, 4)
        assert round(money["saved"]["total"], 4) == round(supposed - billed, 4)
        assert f"saved about {supposed - billed:.4f} USD of {supposed:.4f} USD" in page["verdict"]

    @staticmethod
    def cost(uncached: int, cached: int, output: int) -> float:
        per_million = uncached * INPUT_PRICE + cached * CACHED_PRICE + output * OUTPUT_PRICE
        return per_million / 1_000_000


class TestALoss:
    def test_a_prompt_that_no_longer_reaches_the_cache_is_reported_as_lost(
        self, halving: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        text = " ".join(DOCUMENT.split()[:700])
        upstream.plays(*whole(completion(600, 0, 5)), times=6)
        for _ in range(6):
            ask(halving, CHAT, body=chat(text))

        page = stats(halving, ended=6)

        assert page["money"]["saved"]["total"] < 0
        assert page["verdict"].startswith("Compression lost about 0.00")
        assert metrics(halving)["openai_proxy_saved_usd"] < 0


class TestStats:
    def test_without_prices_nothing_is_said_in_money(
        self, start_proxy: StartProxy, upstream: ScriptedUpstream
    ) -> None:
        proxy = start_proxy()
        upstream.plays(*whole(completion(10, 0, 5)))
        ask(proxy, CHAT, body=chat("hi"))

        page = stats(proxy, ended=1)

        assert (page["money"], page["billed"]["uncached_input_tokens"]) == (None, 10)
        assert "PRICES_FILE" in page["verdict"]

    def test_an_answer_of_the_responses_api_is_billed_too(
        self, halving: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        details = {"cached_tokens": 3, "cache_write_tokens": 2}
        usage = {"input_tokens": 10, "input_tokens_details": details, "output_tokens": 4}
        completed = {"type": "response.completed", "response": {"model": "o3", "usage": usage}}
        upstream.plays(*streamed(json.dumps(completed).encode()))
        ask(halving, b"/v1/responses", body=b'{"model": "o3", "input": "hi", "stream": true}')

        page = stats(halving, ended=1)

        assert page["models"]["o3"]["billed"] == {
            "uncached_input_tokens": 5,
            "cached_input_tokens": 3,
            "cache_write_tokens": 2,
            "output_tokens": 4,
        }
        assert page["money"]["unpriced_models"] == ["o3"]
        assert page["verdict"] == "Nothing is said in money: PRICES_FILE has no price for o3."

    def test_requests_are_counted_by_part_of_the_api_and_status(
        self, start_proxy: StartProxy, upstream: ScriptedUpstream
    ) -> None:
        proxy = start_proxy()
        upstream.plays(*whole(completion(10, 0, 5)), times=2)
        upstream.plays(answer(404))
        upstream.plays(receive(), close())
        for target in (CHAT, CHAT, b"/v1/models/gone", b"/v1/embeddings"):
            ask(proxy, target, body=b"{}")

        page = stats(proxy, ended=4)

        assert page["requests"] == {
            "ended": 4,
            "in_flight": 0,
            "by_endpoint": {
                "chat": {"200": 2},
                "models": {"404": 1},
                "embeddings": {"502": 1},
            },
        }


class TestMetrics:
    def test_requests_are_counted_by_part_of_the_api_and_status(
        self, halving: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        upstream.plays(*whole(completion(20, 8, 5)))
        ask(halving, CHAT, body=chat(DOCUMENT))
        upstream.plays(answer(404))
        ask(halving, b"/v1/models/gone")
        upstream.plays(receive(), close())
        ask(halving, b"/embeddings", body=b"{}")
        ask(halving, CHAT, body=b"[]")
        stats(halving, ended=4)

        found = metrics(halving)

        expected = {
            "openai_proxy_requests_total endpoint=chat status=200": 1,
            "openai_proxy_requests_total endpoint=chat status=400": 1,
            "openai_proxy_requests_total endpoint=models status=404": 1,
            "openai_proxy_requests_total endpoint=embeddings status=502": 1,
            "openai_proxy_errors_total code=upstream_protocol_error": 1,
            "openai_proxy_compression_skipped_total reason=unexpected_shape": 1,
            "openai_proxy_compression_seconds_count": 2,
            "openai_proxy_first_byte_seconds_count endpoint=chat": 2,
            "openai_proxy_request_seconds_count endpoint=chat": 2,
            "openai_proxy_request_seconds_bucket endpoint=chat le=+Inf": 2,
            "openai_proxy_requests_in_flight": 0,
            "openai_proxy_incomplete_requests_total": 0,
            f"openai_proxy_billed_tokens_total kind=cached_input model={MODEL}": 8,
            f"openai_proxy_billed_tokens_total kind=uncached_input model={MODEL}": 12,
            f"openai_proxy_billed_answers_total model={MODEL}": 1,
            "openai_proxy_log_entries_dropped_total": 0,
        }
        assert {name: found.get(name) for name in expected} == expected
        assert (
            0 < found["openai_proxy_tokens_after_total"] < found["openai_proxy_tokens_before_total"]
        )

    def test_they_come_as_what_prometheus_reads(self, proxy: RunningProxy) -> None:
        page = ask(proxy, b"/_proxy/metrics")

        assert page.values(b"content-type") == [b"text/plain; version=0.0.4; charset=utf-8"]

    def test_a_request_under_way_and_one_that_broke_off_are_seen(
        self, start_proxy: StartProxy, upstream: ScriptedUpstream
    ) -> None:
        proxy = start_proxy()
        upstream.plays(receive(), head(200, CHUNKED), chunk(b"half"), close())
        ask(proxy, b"/v1/models")
        upstream.plays(receive(), stall())
        with connected(proxy.address) as client:
            client.send(request(b"GET", b"/v1/files"))
            upstream.next_request()
            wait_until(lambda: metrics(proxy)["openai_proxy_requests_in_flight"] == 1)
        wait_until(lambda: metrics(proxy)["openai_proxy_requests_in_flight"] == 0)

        found = metrics(proxy)

        assert found["openai_proxy_incomplete_requests_total"] == 2
        assert found["openai_proxy_requests_total endpoint=files status=none"] == 1

    def test_neither_paths_nor_models_make_the_page_grow(
        self, start_proxy: StartProxy, upstream: ScriptedUpstream
    ) -> None:
        proxy = start_proxy()
        with connected(proxy.address) as client:
            for number in range(120):
                body = json.dumps({"model": f"m-{number}", "usage": {"prompt_tokens": 1}}).encode()
                upstream.plays(*whole(body))
                client.ask(b"POST", CHAT, [JSON], chat("hi"))
                upstream.plays(answer(200))
                client.ask(b"GET", b"/v1/path-%d?q=%d" % (number, number))
        stats(proxy, ended=240)

        found = metrics(proxy)

        assert found["openai_proxy_requests_total endpoint=other status=200"] == 120
        answers = {name: n for name, n in found.items() if "billed_answers_total" in name}
        assert (len(answers), sum(answers.values())) == (51, 120)
        assert answers["openai_proxy_billed_answers_total model=other"] == 70


class TestWhoMaySee:
    PAGES = (b"/_proxy/stats", b"/_proxy/metrics")

    @pytest.mark.parametrize("page", PAGES)
    @pytest.mark.parametrize(
        "field",
        [
            (b"X-Forwarded-For", b"10.0.0.1"),
            (b"Host", b"attacker.example"),
            (b"Origin", b"https://attacker.example"),
            (b"Authorization", b"Bearer sk-of-somebody"),
        ],
    )
    def test_those_farther_off_are_refused_as_openai_would(
        self, keyed: RunningProxy, proxy: RunningProxy, page: bytes, field: tuple[bytes, bytes]
    ) -> None:
        is_forwarded = field[0] != b"Authorization"

        refused = ask(proxy if is_forwarded else keyed, page, field)

        error = json.loads(refused.body)["error"]
        assert (refused.status, error["type"], error["code"]) == (
            401,
            "proxy_error",
            "unauthorized",
        )
        assert values_of(refused.headers, b"www-authenticate")[0].startswith(b"Basic ")

    @pytest.mark.parametrize("page", PAGES)
    @pytest.mark.parametrize(
        "credentials", [b"Bearer " + PROXY_KEY, b"Basic " + base64.b64encode(b"me:" + PROXY_KEY)]
    )
    def test_those_with_a_key_of_the_proxys_may(
        self, keyed: RunningProxy, page: bytes, credentials: bytes
    ) -> None:
        field = (b"Authorization", credentials)

        assert ask(keyed, page, field, (b"X-Forwarded-For", b"10.0.0.1")).status == 200

    @pytest.mark.parametrize("path", [b"/_proxy/x", b"/_proxy/stats/x", b"/_proxy/web"])
    def test_what_the_proxy_does_not_have_never_goes_upstream(
        self, proxy: RunningProxy, upstream: ScriptedUpstream, path: bytes
    ) -> None:
        answers = [ask(proxy, path), ask(proxy, path, body=b"{}")]
        with connected(proxy.address) as client:
            client.send(handshake(path))
            answers.append(client.receive_answer())

        found = [(answer.status, json.loads(answer.body)["error"]["code"]) for answer in answers]
        assert (found, upstream.requests) == ([(404, "bad_request")] * 3, [])

    @pytest.mark.parametrize("page", [*PAGES, b"/_proxy/", b"/_proxy/docs"])
    def test_a_page_asked_for_by_the_wrong_method_says_which_ones_there_are(
        self, proxy: RunningProxy, page: bytes
    ) -> None:
        refused = ask(proxy, page, body=b"{}")

        assert (refused.status, json.loads(refused.body)["error"]["code"]) == (
            405,
            "bad_request",
        )
        assert refused.values(b"allow") == [b"GET, OPTIONS"]

    def test_no_key_no_query_and_no_text_stands_there(
        self, start_proxy: StartProxy, upstream: ScriptedUpstream
    ) -> None:
        proxy = start_proxy(COMPRESSION_RATIO="2", OPENAI_API_KEY="canary-server-key")
        upstream.otherwise_plays(*whole(completion(9, 0, 1), (b"Set-Cookie", b"a=canary-set")))
        fields = [
            (b"Authorization", b"Bearer canary-bearer"),
            (b"Cookie", b"a=canary-cookie"),
            (b"Traceparent", b"canary-trace"),
        ]
        ask(proxy, CHAT + b"?api-key=canary-query", *fields, body=chat("canary-text " * 50))
        ask(proxy, b"/v1/canary-path?x=canary-value", *fields)
        ask(proxy, CHAT, *fields, body=b'{"model": "canary-asked", "messages": "canary"}')
        stats(proxy, ended=3)

        pages = b"".join(ask(proxy, page).body for page in self.PAGES)

        assert MODEL.encode() in pages
        assert b"canary" not in pages
