"""How log entries read as JSON."""

import json
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.log_entries import NOON, a_compression, a_request, a_text

from openai_proxy.adapters.logs.json_format import compression_lines, dropped_notice, request_line
from openai_proxy.adapters.logs.records import RecordedCompression
from openai_proxy.domain.ports import RelayedRequest

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

hostile_texts = st.text(st.characters() | st.sampled_from('\n\r\x1b\x00\x7f\x85\u2028"\\\ud800'))


def request_fields(request: RelayedRequest, project: str | None = None) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(request_line(request, project))
    return fields


def compression_fields(*, show_content: bool, **changes: Any) -> list[dict[str, Any]]:
    record = RecordedCompression(NOON, "5f3a-1", a_compression(**changes))
    return [json.loads(line) for line in compression_lines(record, show_content=show_content)]


def is_one_line_of_visible_ascii(line: str) -> bool:
    return line[-1] == "\n" and all(" " <= character <= "~" for character in line[:-1])


class TestTheLineOfARequest:
    def test_it_has_the_fields_that_cloud_logging_knows(self) -> None:
        assert request_fields(a_request()) == {
            "severity": "INFO",
            "time": "2025-06-18T12:00:00.250Z",
            "message": "POST /v1/chat/completions 200",
            "httpRequest": {
                "requestMethod": "POST",
                "requestUrl": "/v1/chat/completions",
                "requestSize": "120",
                "status": 200,
                "responseSize": "4500",
                "latency": "0.532000s",
            },
            "request_id": "5f3a-1",
            "duration_seconds": 0.532,
            "request_bytes": 120,
            "response_bytes": 4500,
            "complete": True,
            "compression": {"applied": False},
        }

    def test_it_tells_what_compression_saved(self) -> None:
        assert request_fields(a_request(compression=a_compression()))["compression"] == {
            "applied": True,
            "status": "applied",
            "model": "gpt-4o",
            "texts": 1,
            "texts_compressed": 1,
            "tokens_before": 10,
            "tokens_billed": 6,
            "tokens_removed": 4,
            "removed_percent": 40.0,
            "billed_ratio": 0.6,
        }

    def test_it_tells_why_nothing_was_compressed(self) -> None:
        skipped = a_compression(texts=(), skipped="not_json")

        assert request_fields(a_request(compression=skipped))["compression"] == {
            "applied": False,
            "status": "skipped",
            "reason": "not_json",
        }

    def test_it_names_the_failure_that_kept_a_body_as_it_was(self) -> None:
        failed = a_compression(texts=(), skipped="failed", failure="PanicException")

        assert request_fields(a_request(compression=failed))["compression"] == {
            "applied": False,
            "status": "skipped",
            "reason": "failed",
            "failure": "PanicException",
        }

    def test_it_tells_that_a_shadow_changed_nothing(self) -> None:
        shadow = request_fields(a_request(compression=a_compression(is_shadow=True)))

        assert shadow["compression"]["applied"] is False
        assert shadow["compression"]["status"] == "shadow"
        assert shadow["compression"]["tokens_billed"] == 6

    def test_its_severity_follows_the_outcome(self) -> None:
        outcomes = [(200, None), (404, None), (401, "unauthorized"), (500, None), (502, "x")]
        left_early = a_request(status=None, complete=False)

        severities = [
            request_fields(a_request(status=status, error=error))["severity"]
            for status, error in outcomes
        ]

        assert severities == ["INFO", "WARNING", "WARNING", "ERROR", "ERROR"]
        assert request_fields(left_early)["severity"] == "INFO"

    def test_its_trace_is_named_within_the_project(self) -> None:
        request = a_request(trace=TRACE)
        field = "logging.googleapis.com/trace"

        assert request_fields(request, "shop")[field] == f"projects/shop/traces/{TRACE}"
        assert request_fields(request)[field] == TRACE
        assert field not in request_fields(a_request(), "shop")

    def test_a_query_is_never_told(self) -> None:
        assert "canary" not in request_line(a_request(path="/v1/models?api_key=canary"), None)

    @given(hostile_texts, hostile_texts, hostile_texts, st.none() | hostile_texts)
    def test_whatever_was_asked_it_is_one_line_of_visible_ascii(
        self, method: str, path: str, model: str, error: str | None
    ) -> None:
        compressed = a_compression(model=model)
        request = a_request(method=method, path=path, error=error, compression=compressed)

        line = request_line(request, None)

        assert is_one_line_of_visible_ascii(line)
        assert json.loads(line)["httpRequest"]["requestMethod"] == method


class TestTheLinesOfACompression:
    def test_each_text_has_one_with_hashes_for_its_content(self) -> None:
        (fields,) = compression_fields(show_content=False)

        assert fields == {
            "severity": "INFO",
            "time": "2025-06-18T12:00:00.250Z",
            "message": "text 1 of 1: 10 -> 6 tokens",
            "request_id": "5f3a-1",
            "model": "gpt-4o",
            "encoding": "o200k_base",
            "encoding_assumed": False,
            "pointer": "/messages/0/content",
            "role": "user",
            "strategy": "uniform",
            "keep_ratio": 0.5,
            "tokens_before": 10,
            "tokens_billed": 6,
            "tokens_removed": 4,
            "removed_percent": 40.0,
            "billed_ratio": 0.6,
            "before_sha256": sha256(b"The quick brown fox jumps over the lazy dog.").hexdigest(),
            "after_sha256": sha256(b"The brown jumps the dog.").hexdigest(),
        }

    def test_the_encoding_of_an_unknown_model_is_marked_as_assumed(self) -> None:
        (fields,) = compression_fields(show_content=False, model="mistral-large")

        assert (fields["encoding"], fields["encoding_assumed"]) == ("o200k_base", True)

    def test_a_text_left_as_it_was_has_the_reason(self) -> None:
        (fields,) = compression_fields(texts=(a_text(skipped="blank"),), show_content=False)

        assert (fields["skipped"], fields["message"]) == ("blank", "text 1 of 1: unchanged (blank)")

    @given(hostile_texts)
    def test_content_is_shown_if_asked_for_and_survives_whole(self, text: str) -> None:
        (fields,) = compression_fields(texts=(a_text(text, text=text[1:]),), show_content=True)

        assert (fields["before"], fields["after"]) == (text, text[1:])

    @given(hostile_texts, hostile_texts)
    def test_whatever_the_text_it_is_one_line_of_visible_ascii(self, text: str, model: str) -> None:
        compressed = a_compression(a_text(text, role=text), model=model)
        record = RecordedCompression(NOON, "5f3a-1", compressed)

        (line,) = compression_lines(record, show_content=True)

        assert is_one_line_of_visible_ascii(line)


def test_a_notice_counts_what_is_missing() -> None:
    fields = json.loads(dropped_notice(17))

    assert (fields["severity"], fields["message"], fields["dropped"]) == (
        "WARNING",
        "17 entries were dropped",
        17,
    )
