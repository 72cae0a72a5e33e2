"""Which strings of a request are texts that somebody wrote for the model."""

import json
from typing import Any

import pytest

from openai_proxy.domain.bodies.json_spans import DuplicateKey, NotJson, read_string
from openai_proxy.domain.bodies.request_texts import (
    MOST_TEXTS,
    OtherEvent,
    RequestTexts,
    TooManyTexts,
    UnexpectedShape,
    texts_of_body,
    texts_of_frame,
)

USER = frozenset({"user"})
EVERYONE = frozenset({"system", "developer", "user", "assistant", "tool"})

Found = list[tuple[str, str, str]]


def told(body: bytes, texts: RequestTexts) -> Found:
    """Pointer, role and characters of each text found."""
    return [(place.pointer, place.role, read_string(body, place.span)) for place in texts.places]


def found(request: Any, endpoint: str = "chat", roles: frozenset[str] = USER) -> Found:
    body = json.dumps(request).encode()
    return told(body, texts_of_body(body, endpoint, roles))


def found_in_frame(event: Any, roles: frozenset[str] = USER) -> Found:
    frame = json.dumps(event).encode()
    return told(frame, texts_of_frame(frame, roles))


class TestChat:
    def test_string_content_of_user_messages_is_text(self) -> None:
        messages = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello", "name": "Ann"},
            {"role": "assistant", "content": "Hi"},
            {"content": "Bye", "role": "user"},
        ]

        assert found({"model": "gpt-4o", "messages": messages}) == [
            ("/messages/1/content", "user", "Hello"),
            ("/messages/3/content", "user", "Bye"),
        ]

    def test_parts_of_type_text_are_texts_and_other_parts_are_not(self) -> None:
        content = [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "file", "file": {"file_id": "file-1"}, "text": "no"},
            {"type": "refusal", "refusal": "no"},
            {"text": "And that?", "type": "text"},
            {"text": "no type"},
            {"type": "text", "text": ["no string"]},
            "no part",
        ]

        assert found({"messages": [{"role": "user", "content": content}]}) == [
            ("/messages/0/content/0/text", "user", "What is this?"),
            ("/messages/0/content/5/text", "user", "And that?"),
        ]

    def test_the_roles_are_the_policys_to_choose(self) -> None:
        call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        messages = [
            {"role": "developer", "content": "Be brief."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "42"},
        ]

        assert found({"messages": messages}) == []
        assert found({"messages": messages}, roles=EVERYONE) == [
            ("/messages/0/content", "developer", "Be brief."),
            ("/messages/2/content", "tool", "42"),
        ]

    @pytest.mark.parametrize(
        "message",
        [
            None,
            "hello",
            [],
            {},
            {"role": "user"},
            {"role": "user", "content": None},
            {"role": "user", "content": 7},
            {"role": "user", "content": {"type": "text", "text": "hello"}},
            {"role": None, "content": "hello"},
            {"role": ["user"], "content": "hello"},
            {"role": "User", "content": "hello"},
            {"role": "user", "message": {"role": "user", "content": "hello"}},
            {"content": "hello"},
        ],
    )
    def test_a_message_of_another_shape_holds_no_text(self, message: Any) -> None:
        later = {"role": "user", "content": "still found"}

        assert found({"messages": [message, later]}) == [
            ("/messages/1/content", "user", "still found")
        ]

    def test_only_the_outermost_messages_count(self) -> None:
        decoy = {"messages": [{"role": "user", "content": "decoy"}]}

        assert found({"metadata": decoy, "tools": [decoy], "messages": []}) == []


class TestResponses:
    def test_input_as_a_string_is_the_users(self) -> None:
        request = {"model": "gpt-5", "instructions": "Be brief.", "input": "Hello"}

        assert found(request, "responses") == [("/input", "user", "Hello")]
        assert found(request, "responses", frozenset({"tool"})) == []

    def test_messages_with_and_without_a_type_hold_texts(self) -> None:
        items = [
            {"role": "user", "content": "easy"},
            {"type": "message", "role": "user", "content": "typed"},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "part"},
                    {"type": "input_image", "image_url": "https://example.org/cat.png"},
                    {"type": "input_file", "file_id": "file-1"},
                    {"type": "text", "text": "chat's name for it"},
                ],
            },
            {"role": "developer", "content": "Be brief."},
        ]

        assert found({"input": items}, "responses") == [
            ("/input/0/content", "user", "easy"),
            ("/input/1/content", "user", "typed"),
            ("/input/2/content/0/text", "user", "part"),
        ]

    def test_the_models_own_words_are_the_assistants(self) -> None:
        part: Any = {"type": "output_text", "text": "Hi", "annotations": []}
        item = {"id": "msg_1", "type": "message", "role": "assistant", "content": [part]}

        assert found({"input": [item]}, "responses") == []
        assert found({"input": [item]}, "responses", frozenset({"assistant"})) == [
            ("/input/0/content/0/text", "assistant", "Hi")
        ]

    @pytest.mark.parametrize(
        ("output", "pointer"),
        [
            ("42", "/input/0/output"),
            ([{"type": "input_text", "text": "42"}], "/input/0/output/0/text"),
        ],
    )
    def test_outputs_of_function_calls_are_the_tools(self, output: Any, pointer: str) -> None:
        item = {"type": "function_call_output", "call_id": "call_1", "output": output}

        assert found({"input": [item]}, "responses") == []
        assert found({"input": [item]}, "responses", frozenset({"tool"})) == [
            (pointer, "tool", "42")
        ]

    @pytest.mark.parametrize(
        "item",
        [
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": "b"}'},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
            {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm."}]},
            {"type": "item_reference", "id": "msg_1"},
            {"id": "msg_1"},
            {"type": "compaction", "encrypted_content": "gAAA"},
            {"type": "of_tomorrow", "role": "user", "content": "hello", "output": "hello"},
            {"type": None, "role": "user", "content": "hello"},
        ],
    )
    def test_items_of_any_other_type_are_never_touched(self, item: Any) -> None:
        assert found({"input": [item]}, "responses", EVERYONE) == []


class TestCompletions:
    def test_the_prompt_is_the_users(self) -> None:
        request = {"model": "davinci-002", "prompt": "Once upon", "suffix": "a time"}

        assert found(request, "completions") == [("/prompt", "user", "Once upon")]
        assert found(request, "completions", frozenset({"assistant"})) == []

    def test_each_string_of_a_list_is_a_text_and_tokens_are_not(self) -> None:
        prompts = ["Once", [1, 2, 3], 7, "upon"]

        assert found({"prompt": prompts}, "completions") == [
            ("/prompt/0", "user", "Once"),
            ("/prompt/3", "user", "upon"),
        ]


class TestFramesOfAWebSocket:
    def test_the_event_itself_is_the_request(self) -> None:
        event = {"type": "response.create", "model": "gpt-5", "input": "Hello"}

        assert found_in_frame(event) == [("/input", "user", "Hello")]

    def test_a_request_wrapped_in_the_event_counts_instead(self) -> None:
        request = {"model": "gpt-5", "input": [{"role": "user", "content": "Hello"}]}
        event = {"response": request, "input": "not this", "type": "response.create"}

        assert found_in_frame(event) == [("/response/input/0/content", "user", "Hello")]

    def test_the_model_is_the_requests(self) -> None:
        frame = b'{"type":"response.create","response":{"input":"Hi","model":"gpt-5"},"model":"x"}'

        assert texts_of_frame(frame, USER).model == "gpt-5"

    @pytest.mark.parametrize(
        "event",
        [
            {},
            {"response": {"type": "response.create", "input": "Hi"}},
            {"type": "response.cancel"},
            {"type": "session.update", "input": "Hi"},
        ],
    )
    def test_any_other_event_is_none_of_ours(self, event: Any) -> None:
        with pytest.raises(OtherEvent):
            found_in_frame(event)


class TestTheModel:
    @pytest.mark.parametrize(
        ("body", "model"),
        [
            (b'{"model": "gpt-4o", "messages": []}', "gpt-4o"),
            (b'{"messages": [], "model": "gpt\\u002d4o"}', "gpt-4o"),
            (b'{"messages": []}', ""),
        ],
    )
    def test_it_is_what_the_request_names_wherever_it_stands(self, body: bytes, model: str) -> None:
        assert texts_of_body(body, "chat", USER).model == model

    @pytest.mark.parametrize("model", [None, 4, ["gpt-4o"], "m" * 1000, "\ud800"])
    def test_what_is_no_name_is_no_model(self, model: Any) -> None:
        with pytest.raises(UnexpectedShape):
            found({"model": model, "messages": []})


class TestWhatIsRefused:
    @pytest.mark.parametrize("body", [b"[]", b"null", b'"messages"', b'[{"messages":[]}]', b"7"])
    def test_a_body_that_is_no_object(self, body: bytes) -> None:
        with pytest.raises(UnexpectedShape):
            texts_of_body(body, "chat", USER)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b'{"messages":[{"role":"user","content":"hi"}]',
            b'{"messages":[{"role":"user","content":"hi"}]}}',
            b'{"messages":[{"role":"user","content":"hi"}]} x',
            b'{"messages":[{"role":"user","content":"hi"}],"n":NaN}',
            b'{"messages":[{"role":"user","content":"hi" "ho"}]}',
            b'{"messages":[{"role":"user","content":["hi" "ho"]}]}',
            b'{"messages":[{"role":"user","content":"\xff"}]}',
            b'{"messages":[{"role":"user","content":"hi"}],"user":"\xff"}',
            b'\xef\xbb\xbf{"messages":[{"role":"user","content":"hi"}]}',
        ],
    )
    def test_a_body_that_is_not_json_to_its_end(self, body: bytes) -> None:
        with pytest.raises(NotJson):
            texts_of_body(body, "chat", USER)

    @pytest.mark.parametrize("body", [b'{"input":"a" ["b"]}', b'{"input":"a" "b"}'])
    def test_a_string_with_a_stray_value_behind_it(self, body: bytes) -> None:
        with pytest.raises(NotJson):
            texts_of_body(body, "responses", USER)

    @pytest.mark.parametrize(
        "body",
        [
            b'{"model":"a","model":"a","messages":[]}',
            b'{"messages":[],"messages":[{"role":"user","content":"hi"}]}',
            b'{"messages":[],"m\\u0065ssages":[]}',
            b'{"messages":[{"role":"system","role":"user","content":"hi"}]}',
            b'{"messages":[{"role":"user","content":"hi","content":"ho"}]}',
            b'{"messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]}',
            b'{"messages":[{"role":"user","content":[{"type":"file","type":"text","text":"b"}]}]}',
        ],
    )
    def test_duplicate_keys_on_the_way_to_a_text(self, body: bytes) -> None:
        with pytest.raises(DuplicateKey):
            texts_of_body(body, "chat", USER)

    def test_duplicate_keys_elsewhere_are_nobodys_business(self) -> None:
        body = b'{"n":1,"n":2,"messages":[{"name":"a","name":"b","role":"user","content":"hi"}]}'

        assert told(body, texts_of_body(body, "chat", USER)) == [
            ("/messages/0/content", "user", "hi")
        ]

    def test_more_texts_than_anyone_writes(self) -> None:
        prompts = ["hi"] * MOST_TEXTS

        assert len(found({"prompt": prompts}, "completions")) == MOST_TEXTS
        with pytest.raises(TooManyTexts):
            found({"prompt": [*prompts, "hi"]}, "completions")
