"""A request's own header fields choose its compression, and its answer says what was done."""

import json
from typing import Any

import pytest
from tests.http_fields import lowered
from tests.raw_client import Answer, connected
from tests.running_proxy import RunningProxy, StartProxy, wait_for
from tests.scripted_upstream import (
    EVENT_STREAM,
    ScriptedUpstream,
    answer,
    end_of_chunks,
    event,
    head,
    receive,
)
from tests.websocket_client import websocket
from tests.websocket_upstream import WebSocketUpstream
from websockets.exceptions import InvalidStatus

JSON = (b"Content-Type", b"application/json")
STORY = "Once upon a time there was a miller who had three sons, a mill, an ass and a tomcat. " * 12
CHAT, RESPONSES = b"/v1/chat/completions", b"/v1/responses"
ASKED: dict[bytes, dict[str, Any]] = {
    CHAT: {"model": "gpt-4o", "messages": [{"role": "user", "content": STORY}]},
    RESPONSES: {"model": "gpt-4o", "input": STORY},
}
EVERYWHERE = "chat,responses,completions"


@pytest.fixture(scope="module")
def everywhere(start_proxy: StartProxy) -> RunningProxy:
    """Compresses nothing by itself, but whatever is asked of it."""
    return start_proxy(COMPRESSION_ENDPOINTS=EVERYWHERE)


@pytest.fixture(scope="module")
def halving(start_proxy: StartProxy) -> RunningProxy:
    return start_proxy(COMPRESSION_RATIO="2", COMPRESSION_ENDPOINTS=EVERYWHERE)


def _ask(
    proxy: RunningProxy, target: bytes = CHAT, *, stream: bool = False, **fields: str
) -> Answer:
    """Ask with such control fields, underscores for hyphens."""
    body = json.dumps({**ASKED[target], "stream": stream}).encode()
    control = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    with connected(proxy.address) as client:
        return client.ask(b"POST", target, [JSON, *control], body)


def _sent(upstream: ScriptedUpstream) -> str:
    body: dict[str, Any] = json.loads(bytes(upstream.requests[-1].body))
    text: str = body["input"] if "input" in body else body["messages"][0]["content"]
    return text


def _told(got: Answer) -> dict[str, str]:
    return {
        name.decode().removeprefix("x-compression-"): value.decode()
        for name, value in lowered(got.headers)
        if name.startswith(b"x-compression")
    }


def _error(got: Answer) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(got.body)["error"]
    return error


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ((b"Content-Encoding", b"gzip"), "content_encoding"),
        ((b"Content-Digest", b"sha-256=:AA==:"), "digest"),
        ((b"Repr-Digest", b"sha-256=:AA==:"), "digest"),
        ((b"Digest", b"sha-256=AA=="), "digest"),
        ((b"Content-MD5", b"AA=="), "digest"),
    ],
)
def test_the_answer_tells_what_fixes_a_body(
    halving: RunningProxy, upstream: ScriptedUpstream, field: tuple[bytes, bytes], reason: str
) -> None:
    body = json.dumps(ASKED[CHAT]).encode()
    with connected(halving.address) as client:
        got = client.ask(b"POST", CHAT, [JSON, field], body)

    assert _told(got)["reason"] == reason
    assert bytes(upstream.requests[-1].body) == body


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("target", [CHAT, RESPONSES])
def test_a_request_is_compressed_as_it_asks_and_its_answer_says_so(
    everywhere: RunningProxy, upstream: ScriptedUpstream, target: bytes, *, stream: bool
) -> None:
    if stream:
        upstream.plays(receive(), head(200, EVENT_STREAM), event(b"{}"), end_of_chunks())

    got = _ask(everywhere, target, stream=stream, x_tokens_to_keep_ratio="0.5")

    told = _told(got)
    before, after = int(told["tokens-before"]), int(told["tokens-after"])
    assert told == {
        "status": "applied",
        "tokens-before": str(before),
        "tokens-after": str(after),
        "keep-ratio": "0.5",
        "billed-ratio": f"{after / before:.4g}",
        "texts": "1",
    }
    assert abs(after - before / 2) <= 1
    assert len(_sent(upstream)) < 0.7 * len(STORY)
    assert (got.status, got.complete) == (200, True)
    assert not [name for name, _ in lowered(upstream.requests[-1].headers) if b"compress" in name]


@pytest.mark.parametrize("target", [CHAT, RESPONSES])
def test_a_request_may_switch_off_what_the_settings_ask_for(
    halving: RunningProxy, upstream: ScriptedUpstream, target: bytes
) -> None:
    got = _ask(halving, target, x_compression="off")

    assert _sent(upstream) == STORY
    assert _told(got) == {}


def test_a_ratio_replaces_both_ratios_of_the_settings(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy(TOKENS_TO_KEEP_RATIO="0.9", COMPRESSION_RATIO="4")

    got = _ask(proxy, x_compression_ratio="2")

    assert _told(got)["keep-ratio"] == "0.5"
    assert len(_sent(upstream)) < 0.7 * len(STORY)


def test_a_shadow_sends_the_original_and_tells_what_it_would_have_been(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    applied, shadow = _ask(halving), _ask(halving, x_compression="shadow")

    assert bytes(upstream.requests[1].body) == json.dumps({**ASKED[CHAT], "stream": False}).encode()
    assert _told(shadow) == {**_told(applied), "status": "shadow"}
    assert "compression=shadow tokens=" in wait_for(halving.request_log, "compression=shadow")


def test_a_shadow_by_the_settings_is_left_by_a_request(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy(COMPRESSION_RATIO="2", COMPRESSION_MODE="shadow")

    assert _told(_ask(proxy))["status"] == "shadow"
    assert _sent(upstream) == STORY
    assert _told(_ask(proxy, x_compression="on"))["status"] == "applied"
    assert len(_sent(upstream)) < 0.7 * len(STORY)


def test_a_strategy_is_chosen_by_name(everywhere: RunningProxy, upstream: ScriptedUpstream) -> None:
    for strategy in ("uniform", "words", "weighted"):
        _ask(everywhere, x_compression_ratio="2", x_compression_strategy=strategy)

    assert len({bytes(request.body) for request in upstream.requests}) == 3


def test_the_answer_tells_why_nothing_was_compressed(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    with connected(halving.address) as client:
        got = client.ask(b"POST", CHAT, [JSON], b"no JSON")

    assert _told(got) == {
        "status": "skipped",
        "reason": "not_json",
        "keep-ratio": "0.5",
        "texts": "0",
    }
    assert bytes(upstream.requests[0].body) == b"no JSON"


def test_an_error_of_the_upstream_carries_the_fields_too(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    upstream.plays(receive(), answer(429, [(b"Retry-After", b"3")], b"slow down"))

    got = _ask(halving)

    assert (got.status, got.body, got.values(b"retry-after")) == (429, b"slow down", [b"3"])
    assert _told(got)["status"] == "applied"


def test_an_answer_without_compression_gets_no_field(
    proxy: RunningProxy, halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    with connected(halving.address) as client:
        listed = client.ask(b"GET", b"/v1/models")

    assert _told(listed) == _told(_ask(proxy)) == {}
    assert _sent(upstream) == STORY


BAD = {
    "an unknown mode": ("x-compression", "maybe"),
    "an empty mode": ("x-compression", ""),
    "half as a compression ratio": ("x-compression-ratio", "0.5"),
    "no number": ("x-compression-ratio", "two"),
    "more than all": ("x-tokens-to-keep-ratio", "1.5"),
    "nothing": ("x-tokens-to-keep-ratio", "0"),
    "a dotted path": ("x-compression-strategy", "os:system"),
    "a field misspelt": ("x-compression-ration", "2"),
}


@pytest.mark.parametrize(("field", "value"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("target", [CHAT, RESPONSES])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_bad_value_is_answered_400_and_nothing_is_sent(
    everywhere: RunningProxy,
    upstream: ScriptedUpstream,
    target: bytes,
    field: str,
    value: str,
    *,
    stream: bool,
) -> None:
    got = _ask(everywhere, target, stream=stream, **{field: value})

    error = _error(got)
    assert got.status == 400
    assert (error["type"], error["code"]) == ("proxy_error", "bad_request")
    assert error["param"].lower() == field
    assert error["message"].startswith(f"{error['param']}: ")
    assert upstream.requests == []


def test_a_bad_value_is_no_less_bad_where_nothing_would_be_compressed(
    everywhere: RunningProxy, upstream: ScriptedUpstream
) -> None:
    with connected(everywhere.address) as client:
        got = client.ask(b"GET", b"/v1/models", [(b"X-Compression", b"of")])

    assert (got.status, _error(got)["param"]) == (400, "X-Compression")
    assert upstream.requests == []


def test_the_operator_may_deny_all_of_it(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy(COMPRESSION_REQUEST_OVERRIDES="deny")

    got = _ask(proxy, x_compression_ratio="2")

    assert got.status == 400
    assert "is denied here" in _error(got)["message"]
    assert upstream.requests == []
    assert _ask(proxy).status == 200


def test_the_operator_may_set_a_floor(start_proxy: StartProxy, upstream: ScriptedUpstream) -> None:
    proxy = start_proxy(COMPRESSION_FLOOR="0.5")

    refused = _ask(proxy, x_compression_ratio="2.1")
    relayed = _ask(proxy, x_compression_ratio="2")

    assert (refused.status, relayed.status) == (400, 200)
    assert "0.5 (COMPRESSION_FLOOR)" in _error(refused)["message"]
    assert len(upstream.requests) == 1


def test_a_websockets_handshake_says_how_its_frames_are_compressed(
    start_proxy: StartProxy, realtime: WebSocketUpstream
) -> None:
    proxy = start_proxy(UPSTREAM_BASE_URL=realtime.url, COMPRESSION_ENDPOINTS="responses")
    frame = json.dumps({"type": "response.create", "model": "gpt-4o", "input": STORY})
    arrived: list[str] = []
    for mode in ("on", "shadow", "off"):
        fields = {"X-Compression": mode, "X-Compression-Ratio": "2"}
        with websocket(proxy, "/v1/responses", headers=fields) as client:
            client.send(frame)
            arrived.append(str(client.recv()))

    with pytest.raises(InvalidStatus) as refused:
        websocket(proxy, "/v1/realtime", headers={"X-Compression": "of"})

    assert len(arrived[0]) < 0.7 * len(frame)
    assert arrived[1:] == [frame, frame]
    assert refused.value.response.status_code == 400
