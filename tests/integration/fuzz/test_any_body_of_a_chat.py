"""Any bytes at all as a chat: thinned where that is possible, and otherwise sent on as they are."""

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzzing import for_a_while, mutated, short
from tests.raw_client import connected
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import ScriptedUpstream, answer, receive

pytestmark = pytest.mark.fuzz

TEXT = "One, two, three, four, five, once I caught a fish alive."
SEEDS = [
    json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": TEXT}]}).encode(),
    json.dumps(
        {"messages": [{"role": "user", "content": [{"type": "text", "text": TEXT}]}], "n": 1e400}
    ).encode(),
    b'{"messages":[{"role":"user","content":"\\ud83d\\ude00 \\u0000<|endoftext|> '
    + b"x " * 50
    + b'"}]}',
    b'{"messages":[{"role":"user","content":null},{"role":null},null,[],{}],"messages":1}',
]
values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=200),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "system", "tool"]) | values, "content": values}
)
chats = st.fixed_dictionaries(
    {"messages": st.lists(messages | values, max_size=4)},
    optional={"model": values, "stream": values},
).map(lambda chat: json.dumps(chat).encode())


@pytest.fixture(scope="module")
def halving(start_proxy: StartProxy) -> RunningProxy:
    return start_proxy(COMPRESSION_RATIO="2")


def test_nothing_but_text_changes_and_nothing_fails(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    upstream.otherwise_plays(receive(), answer(200))

    @short
    @given(body=mutated(SEEDS) | chats | st.binary(max_size=300))
    def check(body: bytes) -> None:
        upstream.requests.clear()
        with connected(halving.address) as client:
            status = client.ask(b"POST", b"/v1/chat/completions", body=body).status

        sent = bytes(upstream.requests[0].body)
        assert status == 200
        assert sent == body or _differ_in_user_texts_alone(body, sent)

    for_a_while(check)

    assert "Traceback" not in halving.stderr


def _differ_in_user_texts_alone(before: bytes, after: bytes) -> bool:
    return _without_user_texts(before) == _without_user_texts(after) and len(after) < len(before)


def _without_user_texts(body: bytes) -> object:
    chat: dict[str, Any] = json.loads(body, parse_float=str, parse_int=str, parse_constant=str)
    for message in filter(_is_the_users, chat["messages"]):
        content: object = message.get("content")
        parts = cast("list[object]", content) if isinstance(content, list) else []
        for part in filter(_is_text, parts):
            cast("dict[str, object]", part)["text"] = ""
        if isinstance(content, str):
            message["content"] = ""
    return chat


def _is_the_users(message: Any) -> bool:
    return isinstance(message, dict) and cast("dict[str, Any]", message).get("role") == "user"


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and cast("dict[str, Any]", part).get("type") == "text"
