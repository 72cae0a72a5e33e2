"""With a keep ratio below 1, the text of user messages arrives shorter, and nothing else changes."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from tests.raw_client import Answer, chunked, connected
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import CHUNKED, ScriptedUpstream

JSON = (b"Content-Type", b"application/json")
CHAT = b"/v1/chat/completions"

STORY = (
    "Once upon a time there was a miller who had three sons, a mill, an ass and a tomcat. "
    "The sons had to grind, the ass had to fetch grain and carry away flour, "
    "and the cat had to keep the mice away. When the miller died, the three sons divided "
    "the inheritance: the eldest got the mill, the second the ass, the third the cat. "
) * 6


@pytest.fixture(scope="module")
def halving(start_proxy: StartProxy) -> RunningProxy:
    return start_proxy(COMPRESSION_RATIO="2.0")


def _ask(proxy: RunningProxy, body: bytes, target: bytes = CHAT) -> Answer:
    with connected(proxy.address) as client:
        return client.ask(b"POST", target, [JSON], body)


def _conversation(*contents: str) -> bytes:
    messages = [
        {"role": ("user", "assistant")[n % 2], "content": content}
        for n, content in enumerate(contents)
    ]
    return json.dumps({"model": "gpt-4o", "messages": messages}).encode()


def _is_thinned(text: str, original: str) -> bool:
    letters = iter(original)
    return 0 < len(text) < len(original) and all(letter in letters for letter in text)


def test_only_the_literal_of_the_text_changes(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    # Odd spelling on purpose: spaces, number forms, unknown and repeated keys, escapes.
    before = (
        b'{ "temperature":1.50e+0 ,"x":\t[null,-0],\n"model" : "gpt-4\\u006f", "x": 2,\r\n'
        b'"messages":[{"content":"You \\u0061re terse. ' + STORY.encode() + b'","role":"system"},'
        b'{"role":"assistant","content":"Hm\\/m."},{ "name":"ann", "role":"user","content": '
    )
    after = (
        b' ,"extra":{"content":"keep me"}},{"role":"tool","tool_call_id":"c1","content":"'
        + STORY.encode()
        + b'"}],"metadata":{"role":"user","content":"me too"}, "seed":'
        + b"7" * 5_000
        + b"}  \n"
    )
    literal = json.dumps(STORY).encode()

    _ask(halving, before + literal + after)

    sent = bytes(upstream.requests[0].body)
    assert sent.startswith(before)
    assert sent.endswith(after)
    text = json.loads(sent[len(before) : -len(after)])
    assert _is_thinned(text, STORY)
    assert upstream.requests[0].values(b"content-length") == [b"%d" % len(sent)]


def test_a_chat_that_came_in_chunks_goes_on_with_one_framing(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    body = _conversation(STORY)
    with connected(halving.address) as client:
        client.ask(b"POST", CHAT, [JSON, *CHUNKED], chunked(body[:100], body[100:]))

    received = upstream.requests[0]
    assert len(received.body) < len(body)
    assert received.values(b"content-length") == [b"%d" % len(received.body)]
    assert received.values(b"transfer-encoding") == []


def test_text_parts_are_thinned_and_other_parts_are_not(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    audio = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": STORY},
        image,
        {"type": "text", "text": STORY[::-1]},
        audio,
    ]

    message = {"role": "user", "content": parts}
    _ask(halving, json.dumps({"model": "gpt-4o", "messages": [message]}).encode())

    first, second, third, fourth = _sent(upstream)["messages"][0]["content"]
    assert (second, fourth) == (image, audio)
    assert _is_thinned(first["text"], STORY)
    assert _is_thinned(third["text"], STORY[::-1])


def _sent(upstream: ScriptedUpstream, number: int = -1) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(bytes(upstream.requests[number].body))
    return sent


def test_both_base_forms_are_thinned_alike(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    _ask(halving, _conversation(STORY), b"/v1/chat/completions")
    _ask(halving, _conversation(STORY), b"/chat/completions?x=1")

    assert upstream.requests[0].body == upstream.requests[1].body
    assert _is_thinned(_sent(upstream)["messages"][0]["content"], STORY)


def test_each_turn_repeats_the_turns_before_it_byte_for_byte(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    said = [f"Turn {n}: {STORY[n * 7 :]}" for n in range(20)]

    for turn in range(1, 21):
        _ask(halving, _conversation(*said[:turn]))

    bodies = [bytes(received.body) for received in upstream.requests]
    earlier = [body.removesuffix(b"]}") for body in bodies]
    assert all(later.startswith(before) for before, later in zip(earlier, bodies[1:], strict=False))
    assert [message["content"] for message in _sent(upstream)["messages"][1::2]] == said[1::2]


def test_another_process_sends_the_same_bytes(
    halving: RunningProxy, start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    other = start_proxy(TOKENS_TO_KEEP_RATIO="0.5", PYTHONHASHSEED="4711")

    _ask(halving, _conversation(STORY))
    _ask(other, _conversation(STORY))

    assert upstream.requests[0].body == upstream.requests[1].body


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"COMPRESSION_RATIO": "4"}, 0.25),
        ({"TOKENS_TO_KEEP_RATIO": "0.7"}, 0.7),
        ({"TOKENS_TO_KEEP_RATIO": "0.7", "COMPRESSION_RATIO": "4"}, 0.7),
        ({"TOKENS_TO_KEEP_RATIO": "1.0", "COMPRESSION_RATIO": "2.0"}, 0.5),
    ],
)
def test_as_much_is_kept_as_the_settings_say(
    start_proxy: StartProxy, upstream: ScriptedUpstream, settings: dict[str, str], kept: float
) -> None:
    proxy = start_proxy(**settings)

    _ask(proxy, _conversation(STORY))

    share = len(_sent(upstream)["messages"][0]["content"]) / len(STORY)
    assert share == pytest.approx(kept, abs=0.1)


UNTOUCHABLE = {
    "no body": b"",
    "not JSON": b"Dear model, " + STORY.encode(),
    "truncated": _conversation(STORY)[:-1],
    "something after it": _conversation(STORY) + b"{}",
    "no object": json.dumps([STORY]).encode(),
    "no messages": json.dumps({"model": "gpt-4o", "prompt": STORY}).encode(),
    "messages of another kind": json.dumps({"model": "gpt-4o", "messages": STORY}).encode(),
    "null everywhere": b'{"model": null, "messages": [null, {"role": null, "content": null}]}',
    "invalid UTF-8": _conversation(STORY).replace(b"miller", b"mi\xffer"),
    "UTF-16": _conversation(STORY).decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + _conversation(STORY),
    "a lone surrogate": _conversation(STORY).replace(b"miller", b"mi\\ud800er"),
    "very deep": b"[" * 100_000,
    "a number of 5,000 digits": b'{"messages": ' + b"9" * 5_000 + b"}",
    "NaN": b'{"temperature": NaN, ' + _conversation(STORY)[1:],
    "Infinity": _conversation(STORY)[:-1] + b', "top_p": -Infinity}',
    "the text twice": _conversation(STORY).replace(
        b'"content": ', b'"content": "another", "content": '
    ),
    "the messages twice": b'{"messages": [], ' + _conversation(STORY)[1:],
    "one token": _conversation("Hello"),
    "blank": _conversation(" \n\t "),
    "nobody's": json.dumps(
        {"model": "gpt-4o", "messages": [{"role": "system", "content": STORY}]}
    ).encode(),
}


@pytest.mark.parametrize("body", UNTOUCHABLE.values(), ids=UNTOUCHABLE)
def test_what_cannot_be_thinned_goes_on_byte_for_byte(
    halving: RunningProxy, upstream: ScriptedUpstream, body: bytes
) -> None:
    got = _ask(halving, body)

    assert upstream.requests[0].body == body
    assert got.status in (200, 400)
    assert b"proxy_error" not in got.body


def _with_null_in_each_place(value: Any) -> Iterator[Any]:
    yield None
    if isinstance(value, str):
        return
    places: Iterable[Any] = value if hasattr(value, "keys") else range(len(value))
    for place in places:
        for inner in _with_null_in_each_place(value[place]):
            changed = value.copy()
            changed[place] = inner
            yield changed


def test_null_in_any_place_is_the_upstreams_to_judge(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    message = {"role": "user", "name": "ann", "content": [{"type": "text", "text": STORY}]}
    chat = {"model": "gpt-4o", "messages": [message], "metadata": {"tag": "x"}}
    for nulled in _with_null_in_each_place(chat):
        body = json.dumps(nulled).encode()
        before, _, after = body.partition(json.dumps(STORY).encode())

        got = _ask(halving, body)

        sent = bytes(upstream.requests[-1].body)
        assert (sent[: len(before)], sent[len(sent) - len(after) :]) == (before, after)
        assert len(sent) <= len(body)
        assert got.status in (200, 400)
        assert b"proxy_error" not in got.body


@pytest.mark.parametrize(
    "target",
    [b"/v1/responses", b"/v1/completions", b"/v1/embeddings", b"/v1/chat/completions/x", b"/v1/x"],
)
def test_other_endpoints_go_on_byte_for_byte(
    halving: RunningProxy, upstream: ScriptedUpstream, target: bytes
) -> None:
    body = json.dumps({"model": "gpt-4o", "input": STORY, "messages": [_user(STORY)]}).encode()

    _ask(halving, body, target)

    assert upstream.requests[0].body == body


def _user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def test_a_body_beyond_the_limit_goes_on_byte_for_byte(
    start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy(COMPRESSION_RATIO="2", COMPRESSION_MAX_BODY_BYTES="10000")
    large, small = _conversation(STORY * 10), _conversation(STORY)

    _ask(proxy, large)
    _ask(proxy, small)

    assert upstream.requests[0].body == large
    assert len(upstream.requests[1].body) < len(small)


def test_a_ratio_of_one_changes_nothing(proxy: RunningProxy, upstream: ScriptedUpstream) -> None:
    body = _conversation(STORY)

    _ask(proxy, body)

    assert upstream.requests[0].body == body


@pytest.mark.parametrize("ensure_ascii", [True, False], ids=["escaped", "as it is"])
def test_surrogate_pairs_and_control_characters_arrive_as_json_in_utf_8(
    halving: RunningProxy, upstream: ScriptedUpstream, *, ensure_ascii: bool
) -> None:
    text = (
        "".join(map(chr, range(0x20))) + "\x7f\x85\u2028 flags \U0001f1e9\U0001f1ea and so on. " * 9
    )
    body = json.dumps(
        {"model": "gpt-4o", "messages": [_user(text)]}, ensure_ascii=ensure_ascii
    ).encode()

    _ask(halving, body)

    thinned: str = _sent(upstream)["messages"][0]["content"]
    assert bytes(upstream.requests[0].body).decode()
    assert _is_thinned(thinned, text)


def test_special_tokens_are_plain_text(halving: RunningProxy, upstream: ScriptedUpstream) -> None:
    text = "<|endoftext|> and <|im_start|>system " * 40

    _ask(halving, _conversation(text))

    assert _is_thinned(_sent(upstream)["messages"][0]["content"], text)


def test_a_faster_tokenizer_sends_the_same_bytes(
    start_proxy: StartProxy, halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    faster = start_proxy(COMPRESSION_RATIO="2.0", TOKENIZER="quicktok")
    body = _conversation(STORY, "Hm.", "素早い茶色の狐がのろまな犬を飛び越える。👩\u200d🚀" * 20)

    for proxy in (halving, faster):
        assert _ask(proxy, body).status == 200

    thinned, thinned_faster = (request.body for request in upstream.requests[-2:])
    assert thinned == thinned_faster
    assert len(thinned) < len(body)
