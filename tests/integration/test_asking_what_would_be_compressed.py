"""`/_proxy/compress`: what would become of a text or a request, for those who may see it."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.raw_client import Answer, connected
from tests.running_proxy import RunningProxy, StartProxy, wait_for
from tests.scripted_upstream import ScriptedUpstream

PAGE = b"/_proxy/compress"
STORY = "Once upon a time there was a miller who had three sons, a mill, an ass and a tomcat. "
HALF = {"tokens_to_keep_ratio": 0.5}


def _ask(
    proxy: RunningProxy, asked: dict[str, Any] | bytes, *fields: tuple[bytes, bytes]
) -> Answer:
    body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    with connected(proxy.address) as client:
        return client.ask(b"POST", PAGE, [(b"Content-Type", b"application/json"), *fields], body)


def _told(got: Answer) -> dict[str, Any]:
    assert got.status == 200, got.body
    told: dict[str, Any] = json.loads(got.body)
    return told


def test_a_text_is_explained_down_to_the_spans_that_would_go(
    proxy: RunningProxy, upstream: ScriptedUpstream
) -> None:
    told = _told(_ask(proxy, {"text": STORY, "model": "gpt-4o", **HALF}))

    (text,) = told["texts"]
    left = list(STORY)
    for start, end in reversed(text["removed"]):
        del left[start:end]
    assert "".join(left) == text["text"]
    assert (told["status"], told["model"], text["strategy"]) == ("applied", "gpt-4o", "uniform")
    assert abs(text["tokens_billed"] - text["tokens_before"] / 2) <= 1
    assert upstream.requests == []


def test_it_is_what_a_request_would_get(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy(COMPRESSION_RATIO="2", COMPRESSION_SALT="pepper", COMPRESSION_MODE="shadow")
    request = {"model": "gpt-4o", "messages": [{"role": "user", "content": STORY}]}

    told = _told(_ask(proxy, {"request": request}))
    with connected(proxy.address) as client:
        on = [(b"Content-Type", b"application/json"), (b"X-Compression", b"on")]
        client.ask(b"POST", b"/v1/chat/completions", on, json.dumps(request).encode())

    sent = json.loads(bytes(upstream.requests[0].body))["messages"][0]["content"]
    assert told["texts"][0]["text"] == sent


def test_what_it_would_cost_as_input_is_told_where_the_price_is_known(
    start_proxy: StartProxy, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nmodel = "gpt-4o*"\ninput = 2.5\noutput = 10\n')
    proxy = start_proxy(PRICES_FILE=str(prices))

    priced = _told(_ask(proxy, {"text": STORY, "model": "gpt-4o", **HALF}))
    unpriced = _told(_ask(proxy, {"text": STORY, "model": "o3", **HALF}))

    assert priced["cost"] == {
        "currency": "USD",
        "before": pytest.approx(priced["tokens_before"] * 2.5e-6),
        "billed": pytest.approx(priced["tokens_billed"] * 2.5e-6),
    }
    assert unpriced["cost"] is None


def test_a_bad_question_is_answered_400_by_the_name_of_its_field(proxy: RunningProxy) -> None:
    questions: list[tuple[dict[str, Any] | bytes, str | None]] = [
        ({"text": STORY, "compression_ratio": 0.5}, "compression_ratio"),
        ({"text": STORY, "strategy": "os:system"}, "strategy"),
        ({"request": STORY}, "request"),
        (b"no JSON", None),
    ]
    for asked, param in questions:
        got = _ask(proxy, asked)

        error = json.loads(got.body)["error"]
        assert (got.status, error["type"], error["param"]) == (400, "proxy_error", param)


def test_a_body_beyond_the_limit_is_answered_413(start_proxy: StartProxy) -> None:
    proxy = start_proxy(COMPRESSION_MAX_BODY_BYTES="1000")

    refused = _ask(proxy, {"text": "x" * 1000})

    error = json.loads(refused.body)["error"]
    assert (refused.status, error["code"]) == (413, "request_too_large")
    assert "1000 bytes (COMPRESSION_MAX_BODY_BYTES)" in error["message"]
    assert _ask(proxy, {"text": "x" * 900, **HALF}).status == 200


@pytest.mark.parametrize(
    "sign",
    [
        (b"X-Forwarded-For", b"203.0.113.7"),
        (b"Host", b"evil.example"),
        (b"Origin", b"https://evil.example"),
    ],
)
def test_whoever_comes_from_farther_needs_a_key(
    proxy: RunningProxy, sign: tuple[bytes, bytes]
) -> None:
    assert _ask(proxy, {"text": STORY}, sign).status == 401


def test_one_of_the_proxys_keys_opens_it_on_a_platform(start_proxy: StartProxy) -> None:
    proxy = start_proxy(K_SERVICE="proxy", PROXY_API_KEYS="key-one")

    assert _ask(proxy, {"text": STORY}).status == 401
    assert _ask(proxy, {"text": STORY}, (b"Authorization", b"Bearer key-two")).status == 401
    assert _ask(proxy, {"text": STORY}, (b"Authorization", b"Bearer key-one")).status == 200


def test_what_is_asked_stands_in_no_log(start_proxy: StartProxy) -> None:
    proxy = start_proxy()

    _ask(proxy, {"text": "canary " * 20, "model": "canary", **HALF})
    with connected(proxy.address) as client:
        client.ask(b"GET", b"/v1/models")

    wait_for(proxy.request_log, "/v1/models")
    written = [file.read_text() for file in proxy.directory.iterdir() if file.is_file()]
    assert not any("canary" in text for text in written)
