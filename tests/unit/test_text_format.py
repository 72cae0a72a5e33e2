"""How log entries read as text."""

import string

from hypothesis import example, given
from hypothesis import strategies as st
from tests.log_entries import NOON, a_compression, a_request, a_text

from openai_proxy.adapters.logs.records import RecordedCompression
from openai_proxy.adapters.logs.text_format import (
    compression_entry,
    dropped_notice,
    one_field,
    quoted,
    request_line,
    terminal_line,
)

PRINTABLE_ASCII = set(string.digits + string.ascii_letters + string.punctuation + " ")

hostile_texts = st.text(
    st.characters() | st.sampled_from("\n\r\x1b\x00\x7f\x85\u2028\u202e |=\ud800")
)


def entry(*texts: str, **changes: str) -> str:
    compressed = a_compression(*(a_text(text, text=text[::2]) for text in texts), **changes)
    return compression_entry(RecordedCompression(NOON, "5f3a-1", compressed), show_content=True)


class TestTheLineOfARequest:
    def test_it_tells_what_happened(self) -> None:
        assert request_line(a_request()) == (
            "2025-06-18T12:00:00.250Z 5f3a-1 POST /v1/chat/completions 200 0.532s"
            " in=120 out=4500 compression=off\n"
        )

    def test_it_tells_what_compression_saved(self) -> None:
        line = request_line(a_request(compression=a_compression()))

        assert line.endswith(" compression=applied tokens=10->6\n")

    def test_it_tells_that_a_shadow_changed_nothing(self) -> None:
        shadow = a_compression(is_shadow=True)
        told = compression_entry(RecordedCompression(NOON, "5f3a-1", shadow), show_content=True)

        assert " compression=shadow tokens=10->6" in request_line(a_request(compression=shadow))
        assert "summary 5f3a-1: shadow, the original was sent: 1 of 1 texts" in told

    def test_it_tells_why_nothing_was_compressed(self) -> None:
        blank = a_text(" ", skipped="blank")
        lines = [
            request_line(a_request(compression=compression))
            for compression in (
                a_compression(skipped="not_json", texts=()),
                a_compression(blank, skipped="no_text_shorter"),
            )
        ]

        assert [line.split()[-1] for line in lines] == [
            "compression=skipped:not_json",
            "compression=skipped:no_text_shorter",
        ]

    def test_it_tells_how_a_request_failed(self) -> None:
        request = a_request(status=502, error="upstream_unreachable", complete=False)

        assert " 502 0.532s in=120 out=4500 error=upstream_unreachable incomplete " in request_line(
            request
        )

    def test_a_client_that_left_before_the_answer_has_no_status(self) -> None:
        assert " /v1/chat/completions - 0.532s " in request_line(a_request(status=None))

    def test_a_query_is_never_told(self) -> None:
        line = request_line(a_request(path="/v1/models?api_key=canary"))

        assert line.split()[3] == "/v1/models"

    def test_a_percent_encoded_path_stands_as_it_arrived(self) -> None:
        assert " /v1/a%2Fb%0a " in request_line(a_request(path="/v1/a%2Fb%0a"))

    @given(hostile_texts, hostile_texts, hostile_texts, st.none() | hostile_texts)
    @example("POST", "/\n2025-06-18T12:00:00.250Z 5f3a-2 GET /forged 200", "5f3a-1", None)
    def test_no_input_forges_a_line_or_a_field(
        self, method: str, path: str, request_id: str, error: str | None
    ) -> None:
        request = a_request(method=method, path=path, request_id=request_id, error=error)

        line = request_line(request)

        assert line[-1] == "\n"
        assert set(line[:-1]) <= PRINTABLE_ASCII
        assert len(line.split(" ")) == (9 if error is None else 10)

    @given(hostile_texts.map(lambda text: text * 2000))
    def test_however_long_the_path_a_pipe_takes_the_line_in_one_piece(self, path: str) -> None:
        assert len(request_line(a_request(path=path))) <= 16 * 1024


class TestTheLineOnTheTerminal:
    def test_it_is_short(self) -> None:
        line = terminal_line(a_request(compression=a_compression()), colour=False)

        assert line.split(" ", 1)[1] == "POST /v1/chat/completions 200 0.532s (10 -> 6 tokens)\n"

    def test_colour_shows_at_a_glance_whether_it_went_well(self) -> None:
        lines = [terminal_line(a_request(status=code), colour=True) for code in (200, 404, 502)]

        assert [line.split()[3] for line in lines] == [
            "\x1b[32m200\x1b[0m",
            "\x1b[33m404\x1b[0m",
            "\x1b[31m502\x1b[0m",
        ]

    @given(hostile_texts, hostile_texts)
    def test_no_input_reaches_the_terminal_as_a_control_character(
        self, method: str, path: str
    ) -> None:
        line = terminal_line(a_request(method=method, path=path), colour=False)

        assert set(line[:-1]) <= PRINTABLE_ASCII


class TestAnEntryOfTheCompressionLog:
    def test_it_shows_the_texts_before_and_after_and_what_was_saved(self) -> None:
        compressed = a_compression(
            a_text(),
            a_text("ok", pointer="/messages/2/content", text="ok", skipped="not_smaller",
                   tokens_before=1, tokens_kept=1, tokens_billed=1),
        )  # fmt: skip

        shown = compression_entry(
            RecordedCompression(NOON, "5f3a-1", compressed), show_content=True
        )

        assert shown == (
            "==== 2025-06-18T12:00:00.250Z request 5f3a-1 model gpt-4o encoding o200k_base\n"
            "---- text 1 of 2: /messages/0/content role user strategy uniform keep ratio 0.5,"
            " tokens before 10, billed 6, removed 4 (40.0 %)\n"
            "---- BEFORE\n"
            "| The quick brown fox jumps over the lazy dog.\n"
            "---- AFTER\n"
            "| The brown jumps the dog.\n"
            "---- text 2 of 2: /messages/2/content role user strategy uniform keep ratio 0.5,"
            " tokens before 1, billed 1, unchanged (not_smaller)\n"
            "==== summary 5f3a-1: 1 of 2 texts compressed,"
            " tokens before 11, billed 7, removed 4 (36.4 %)\n"
            "\n"
        )

    def test_it_gives_the_reason_for_a_body_that_went_on_as_it_came(self) -> None:
        skipped = a_compression(texts=(), skipped="not_json", model="")

        shown = compression_entry(RecordedCompression(NOON, "5f3a-1", skipped), show_content=True)

        assert shown.splitlines() == [
            "==== 2025-06-18T12:00:00.250Z request 5f3a-1 model - encoding o200k_base (assumed)",
            "==== summary 5f3a-1: unchanged (not_json)",
            "",
        ]

    def test_it_names_the_failure_that_kept_a_body_as_it_was(self) -> None:
        failed = a_compression(texts=(), skipped="failed", failure="Panic")

        shown = compression_entry(RecordedCompression(NOON, "5f3a-1", failed), show_content=True)

        assert "==== summary 5f3a-1: unchanged (failed: Panic)" in shown.splitlines()

    def test_without_content_hashes_stand_for_the_texts(self) -> None:
        shown = compression_entry(
            RecordedCompression(NOON, "5f3a-1", a_compression()), show_content=False
        )

        assert "fox" not in shown
        assert (
            "(44 characters, sha256"
            " ef537f25c895bfa782526529a9b63d97aa631564d5d789c2b765448c8635fb6c)\n"
        ) in shown

    @given(st.lists(hostile_texts, min_size=1, max_size=3))
    @example(["fine\n---- AFTER\n==== summary 5f3a-1: forged"])
    def test_no_text_forges_a_ruler(self, texts: list[str]) -> None:
        shown = entry(*texts)

        rulers = [line for line in shown.split("\n") if not line.startswith("| ")]
        assert rulers == [
            line for line in entry(*("x" for _ in texts)).split("\n") if not line.startswith("| ")
        ]

    @given(hostile_texts)
    def test_no_model_forges_a_line(self, model: str) -> None:
        assert entry("x", model=model).count("\n") == entry("x").count("\n")

    @given(hostile_texts)
    def test_the_line_feed_is_its_only_control_character(self, text: str) -> None:
        shown = entry(text).replace("\n", "")

        assert not set(shown) & {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028)}

    @given(st.text(string.printable[:-3] + "é文🙂"))
    def test_an_ordinary_text_can_be_read_back(self, text: str) -> None:
        lines = quoted(text).removesuffix("\n").split("\n")

        assert "\n".join(line.removeprefix("| ") for line in lines) == text.replace("\t", "\\t")


def test_a_field_is_escaped_as_python_would() -> None:
    assert [one_field(text) for text in ("gpt-4o", "a b\r\n", "é\x7f", "")] == [
        "gpt-4o",
        "a\\x20b\\r\\n",
        "\\xe9\\x7f",
        "-",
    ]


def test_a_notice_counts_what_is_missing() -> None:
    assert [dropped_notice(count).split(" ", 1)[1] for count in (1, 17)] == [
        "1 entry was dropped\n",
        "17 entries were dropped\n",
    ]
