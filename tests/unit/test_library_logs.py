"""How a record of Python's own logging is spelt."""

import json
import logging
import sys

from hypothesis import example, given
from hypothesis import strategies as st

from openai_proxy.adapters.logs.library_logs import json_record, redacted, text_record

hostile_texts = st.text(st.characters() | st.sampled_from("\n\r\x1b\x00\x7f\x85\u2028\u202e |"))
keys = st.text("abcdefXYZ0189-_", min_size=8).map("sk-{}".format)


def a_record(message: str, *arguments: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("uvicorn.error", level, "server.py", 1, message, arguments, None)


def a_record_of_an_error(message: str) -> logging.LogRecord:
    record = a_record("Exception in ASGI application\n", level=logging.ERROR)
    try:
        raise ValueError(message)  # noqa: TRY301 an exception has a traceback once it was raised
    except ValueError:
        record.exc_info = sys.exc_info()
    return record


class TestARecordAsJson:
    def test_it_has_a_severity_and_says_who_logged(self) -> None:
        record = a_record("Uvicorn running on %s", "http://0.0.0.0:8080")
        record.created = 0.25

        assert json.loads(json_record(record)) == {
            "severity": "INFO",
            "time": "1970-01-01T00:00:00.250Z",
            "message": "Uvicorn running on http://0.0.0.0:8080",
            "logger": "uvicorn.error",
        }

    def test_a_traceback_stands_in_the_same_line(self) -> None:
        fields = json.loads(json_record(a_record_of_an_error("boom")))

        assert (fields["severity"], fields["message"]) == ("ERROR", "Exception in ASGI application")
        assert fields["stack_trace"].endswith("ValueError: boom")

    @given(st.integers(1, 100))
    def test_its_severity_is_one_that_cloud_logging_knows(self, level: int) -> None:
        severity = json.loads(json_record(a_record("so", level=level)))["severity"]

        assert severity in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}

    @given(hostile_texts)
    def test_whatever_was_logged_it_is_one_line_of_visible_ascii(self, message: str) -> None:
        for record in (a_record("%s", message), a_record_of_an_error(message)):
            line = json_record(record)
            assert line[-1] == "\n"
            assert all(" " <= character <= "~" for character in line[:-1])


class TestARecordAsText:
    def test_a_traceback_stands_behind_bars(self) -> None:
        first, *rest = text_record(a_record_of_an_error("boom\nforged")).splitlines()

        assert first.endswith(" ERROR uvicorn.error: Exception in ASGI application")
        assert rest[0] == "| Traceback (most recent call last):"
        assert rest[-2:] == ["| ValueError: boom", "| forged"]

    @given(hostile_texts)
    @example("fine\n2025-06-18T12:00:00.250Z INFO uvicorn.error: forged")
    def test_no_message_forges_a_line(self, message: str) -> None:
        _, *rest = text_record(a_record("%s", message)).removesuffix("\n").split("\n")

        assert all(line.startswith("| ") for line in rest)

    @given(hostile_texts)
    def test_the_line_feed_is_its_only_control_character(self, message: str) -> None:
        shown = text_record(a_record("%s", message)).replace("\n", "")

        assert not set(shown) & {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028)}


def test_a_record_that_cannot_be_formatted_is_a_line_all_the_same() -> None:
    record = a_record("%d streams", "many")

    assert "a record that cannot be formatted" in text_record(record)


class TestRedaction:
    @given(keys, st.sampled_from(["{}", "key={}.", "Bearer {}", "'openai-insecure-api-key.{}'"]))
    def test_a_key_is_not_repeated(self, key: str, message: str) -> None:
        assert key not in redacted(message.format(key))

    @given(st.text("abcXYZ019-_.~+/=", min_size=1))
    def test_what_follows_an_authentication_scheme_is_not_repeated(self, token: str) -> None:
        assert redacted(f"Authorization: Bearer {token}") == "Authorization: [redacted]"

    def test_a_query_is_not_repeated(self) -> None:
        assert [
            redacted(message)
            for message in (
                '1.2.3.4:5 - "WebSocket /v1/realtime?model=m&key=canary" [accepted]',
                "HTTP Request: GET https://api.openai.com/v1/models?after=canary",
                "Really? Yes.",
            )
        ] == [
            '1.2.3.4:5 - "WebSocket /v1/realtime?[redacted]" [accepted]',
            "HTTP Request: GET https://api.openai.com/v1/models?[redacted]",
            "Really? Yes.",
        ]
