"""Compression of what is asked over a WebSocket: requests for a response, and nothing else."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from tests.raw_client import connected
from tests.running_proxy import RunningProxy, StartProxy, wait_for
from tests.websocket_client import websocket
from tests.websocket_upstream import WebSocketUpstream, says
from websockets.typing import Data

from openai_proxy.adapters import tokenizer_for

LONG_TEXT = "The quick brown fox jumps over the lazy dog near the river bank. " * 40


@pytest.fixture(scope="module")
def thinning(start_proxy: StartProxy, _the_realtime_upstream: WebSocketUpstream) -> RunningProxy:
    return start_proxy(
        UPSTREAM_BASE_URL=_the_realtime_upstream.url,
        COMPRESSION_RATIO="2",
        COMPRESSION_ENDPOINTS="chat,responses",
        COMPRESSION_MAX_BODY_BYTES="100000",
    )


def _tokens(text: str) -> int:
    return len(tokenizer_for("gpt-4o").encode(text))


def _create(text: str, **request: Any) -> str:
    return json.dumps({"type": "response.create", "model": "gpt-4o", "input": text, **request})


def _tokens_asked(messages: Iterable[Data]) -> int:
    """How many tokens the requests among these messages ask with."""
    return sum(_tokens(json.loads(message).get("input", "")) for message in messages)


def _page(proxy: RunningProxy, name: str) -> str:
    """One of the proxy's own pages."""
    with connected(proxy.address) as client:
        return client.ask(b"GET", f"/_proxy/{name}".encode()).body.decode()


def _arrived(
    proxy: RunningProxy, realtime: WebSocketUpstream, target: str, *messages: Data
) -> list[Data]:
    """What the upstream got of these messages, which it echoes."""
    with websocket(proxy, target) as client:
        for message in messages:
            client.send(message)
        for _ in messages:
            client.recv()
    return realtime.next_session().received


def test_the_input_of_a_request_for_a_response_is_thinned(
    thinning: RunningProxy, realtime: WebSocketUpstream
) -> None:
    sent = _create(LONG_TEXT, instructions=LONG_TEXT, tools=[])

    [arrived] = _arrived(thinning, realtime, "/v1/responses", sent)

    text = json.loads(arrived)["input"]
    assert _tokens(text) == pytest.approx(_tokens(LONG_TEXT) / 2, rel=0.02)
    assert arrived == sent.replace(f'"input": "{LONG_TEXT}"', f'"input": "{text}"')


UNTOUCHED: dict[str, Data] = {
    "another event": json.dumps({"type": "response.cancel", "input": LONG_TEXT}),
    "no event": json.dumps({"input": LONG_TEXT}),
    "not JSON": '{"type": "response.create", "input": ' + LONG_TEXT,
    "odd spelling of another event": '{ "type" :"x",\t"n": 1.0e+00, "type": "y" }',
    "binary": _create(LONG_TEXT).encode(),
    "nothing to thin": _create("Hi"),
    "longer than the limit": _create("word " * 30_000),
    "empty": "",
}


@pytest.mark.parametrize("message", UNTOUCHED.values(), ids=UNTOUCHED)
def test_everything_else_arrives_as_it_was_sent(
    thinning: RunningProxy, realtime: WebSocketUpstream, message: Data
) -> None:
    assert _arrived(thinning, realtime, "/v1/responses", message) == [message]


@pytest.mark.parametrize("target", ["/v1/realtime", "/v1/responses/resp_1", "/v1/chat/completions"])
def test_sessions_elsewhere_are_left_alone(
    thinning: RunningProxy, realtime: WebSocketUpstream, target: str
) -> None:
    sent = _create(LONG_TEXT)

    assert _arrived(thinning, realtime, target, sent) == [sent]


def test_sessions_are_left_alone_where_the_endpoint_is_not_chosen(
    start_proxy: StartProxy, realtime: WebSocketUpstream
) -> None:
    proxy = start_proxy(UPSTREAM_BASE_URL=realtime.url, COMPRESSION_RATIO="2")
    sent = _create(LONG_TEXT)

    assert _arrived(proxy, realtime, "/v1/responses", sent) == [sent]


def test_the_order_of_messages_is_kept(thinning: RunningProxy, realtime: WebSocketUpstream) -> None:
    numbered: list[Data] = []
    for n in range(20):
        numbered += [_create(LONG_TEXT, metadata=n), json.dumps({"metadata": n}), bytes([n])]

    arrived = _arrived(thinning, realtime, "/v1/responses", *numbered)

    assert [_number(message) for message in arrived] == [n for n in range(20) for _ in range(3)]


def _number(message: Data) -> int:
    return int(json.loads(message)["metadata"]) if isinstance(message, str) else message[0]


def test_answers_are_left_alone(thinning: RunningProxy, realtime: WebSocketUpstream) -> None:
    sent = _create(LONG_TEXT)
    realtime.plays(says(sent))

    with websocket(thinning, "/v1/responses") as client:
        assert client.recv() == sent


def test_each_thinned_request_is_recorded(
    start_proxy: StartProxy, realtime: WebSocketUpstream
) -> None:
    proxy = start_proxy(
        UPSTREAM_BASE_URL=realtime.url, COMPRESSION_RATIO="2", COMPRESSION_ENDPOINTS="responses"
    )

    other = json.dumps({"type": "response.cancel"})
    _arrived(proxy, realtime, "/v1/responses", _create(LONG_TEXT), other, _create(LONG_TEXT))

    request = wait_for(proxy.request_log, "/v1/responses")
    recorded = wait_for(proxy.compression_log, "BEFORE")
    assert "GET /v1/responses 101" in request
    assert recorded.count(LONG_TEXT.strip()) == 2


def test_a_session_is_recorded_with_the_sums_of_its_requests(
    start_proxy: StartProxy, realtime: WebSocketUpstream
) -> None:
    proxy = start_proxy(
        UPSTREAM_BASE_URL=realtime.url, COMPRESSION_RATIO="2", COMPRESSION_ENDPOINTS="responses"
    )

    other = json.dumps({"type": "response.cancel"})
    sent = (_create(LONG_TEXT), other, _create("Hi"), _create(LONG_TEXT * 2))
    arrived = _arrived(proxy, realtime, "/v1/responses", *sent)

    before, after = _tokens_asked(sent), _tokens_asked(arrived)
    request = wait_for(proxy.request_log, "/v1/responses")
    assert f"compression=applied tokens={before}->{after}" in request
    assert json.loads(_page(proxy, "stats"))["estimated"] == {
        "requests": 3,
        "tokens_before": before,
        "tokens_after": after,
        "tokens_saved": before - after,
        "shadow_tokens_saved": 0,
        "answers_without_usage": 3,
    }
    metrics = _page(proxy, "metrics")
    assert f"\nopenai_proxy_tokens_before_total {before:.1f}\n" in metrics
    assert f"\nopenai_proxy_tokens_after_total {after:.1f}\n" in metrics


def test_a_request_longer_than_the_limit_is_recorded_as_such(
    start_proxy: StartProxy, realtime: WebSocketUpstream
) -> None:
    proxy = start_proxy(
        UPSTREAM_BASE_URL=realtime.url,
        COMPRESSION_RATIO="2",
        COMPRESSION_ENDPOINTS="responses",
        COMPRESSION_MAX_BODY_BYTES="1000",
    )

    _arrived(proxy, realtime, "/v1/responses", _create(LONG_TEXT))

    request = wait_for(proxy.request_log, "/v1/responses")
    assert "compression=skipped:body_too_large" in request
    assert "unchanged (body_too_large)" in wait_for(proxy.compression_log, "summary")
