"""`openai-proxy compress` in pipes and on files: texts on stdout, the account on stderr."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.running_proxy import COMMAND

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain import KeepRatio, compress_text

STORY = "Once upon a time there was a miller who had three sons,\r\na mill, an ass — and a tomcat. "
TOKENIZER = tokenizer_for("gpt-4o")


def _run(
    *arguments: str, directory: Path, given: bytes = b"", **settings: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [COMMAND, "compress", *arguments],
        input=given,
        capture_output=True,
        check=False,
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), **settings},
        timeout=60,
    )


def _compressed(text: str, keep: float = 0.5) -> bytes:
    keep_ratio = KeepRatio.from_tokens_to_keep_ratio(keep)
    return compress_text(text, keep_ratio, TOKENIZER).text.encode()


def _asking(*contents: str) -> bytes:
    messages = [{"role": "user", "content": content} for content in contents]
    # A spelling of its own, which must stay.
    return json.dumps({"model": "gpt-4o", "messages": messages, "n": 1}, indent=3).encode()


def _accounts(ended: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.stderr.splitlines()]


class TestInAPipe:
    @pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n"])
    def test_standard_output_is_the_compressed_text_byte_for_byte(
        self, tmp_path: Path, end: str
    ) -> None:
        text = STORY * 20 + end

        ended = _run("--ratio", "2", directory=tmp_path, given=text.encode())

        assert (ended.returncode, ended.stdout) == (0, _compressed(text))

    def test_the_account_goes_to_standard_error_in_every_form(self, tmp_path: Path) -> None:
        for form in ([], ["--explain"], ["--json"], ["--json", "--explain"]):
            ended = _run("--keep", "0.5", *form, directory=tmp_path, given=STORY.encode())

            assert ended.stdout == _compressed(STORY)
            assert ended.stderr

    def test_the_settings_of_the_environment_hold_where_no_option_says_otherwise(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "rules.toml").write_text("[[rule]]\ntokens_to_keep_ratio = 0.25\n")
        ruled = {"COMPRESSION_RATIO": "2", "COMPRESSION_RULES": "rules.toml"}
        ways: list[tuple[list[str], dict[str, str], float]] = [
            ([], {"COMPRESSION_RATIO": "2"}, 0.5),
            ([], ruled, 0.25),
            (["--keep", "0.7"], ruled, 0.7),
            (["--ratio", "1"], ruled, 1),
        ]

        for options, settings, keep in ways:
            ended = _run(*options, directory=tmp_path, given=STORY.encode(), **settings)

            assert ended.stdout == _compressed(STORY, keep)

    def test_a_reader_that_leaves_early_is_an_error_of_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "long.txt").write_text(STORY * 5000)
        # Unbuffered, a write may take only the beginning: that is no end to it.
        for unbuffered in ("", "1"):
            with subprocess.Popen(
                [COMMAND, "compress", "--ratio", "2", "long.txt"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=tmp_path,
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": unbuffered},
            ) as process:
                assert process.stdout is not None
                assert process.stderr is not None
                process.stdout.read(5)
                process.stdout.close()

                assert process.stderr.read() == b"error: standard output: Broken pipe\n"
                assert process.wait() == 2


class TestOnFiles:
    def test_files_are_compressed_one_after_the_other(self, tmp_path: Path) -> None:
        texts = {"one.txt": STORY * 3, "two.txt": STORY[::-1], "-": "Standard input. " * 9}
        for name in ("one.txt", "two.txt"):
            (tmp_path / name).write_bytes(texts[name].encode())

        ended = _run("--ratio", "2", *texts, directory=tmp_path, given=texts["-"].encode())

        assert ended.stdout == b"".join(map(_compressed, texts.values()))
        heads = [line for line in ended.stderr.decode().splitlines() if line[0] != " "]
        names = [head.partition(":")[0] for head in heads]
        assert names == ["one.txt", "two.txt", "standard input"]

    def test_nothing_is_written_if_any_input_cannot_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "here.txt").write_text(STORY)

        ended = _run("here.txt", "missing.txt", str(tmp_path), directory=tmp_path)

        assert (ended.returncode, ended.stdout) == (2, b"")
        assert ended.stderr.decode().splitlines() == [
            "error: missing.txt: No such file or directory",
            f"error: {tmp_path}: Is a directory",
        ]

    def test_a_text_that_is_not_utf8_is_an_error_that_says_where(self, tmp_path: Path) -> None:
        ended = _run(directory=tmp_path, given=b"mi\xffer")

        assert (ended.returncode, ended.stdout) == (2, b"")
        assert ended.stderr == b"error: standard input: not UTF-8 at byte 2\n"

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("--ratio", "0.5"),
            ("--keep", "50%"),
            ("--strategy", "os:system"),
            ("--strategy", "nowhere.at_all:It"),
            ("--protect", "vowels"),
        ],
    )
    def test_a_bad_option_is_an_error_of_one_line(
        self, tmp_path: Path, option: str, value: str
    ) -> None:
        ended = _run(option, value, directory=tmp_path, given=STORY.encode())

        assert (ended.returncode, ended.stdout) == (2, b"")
        assert ended.stderr.startswith(b"error: ")
        assert value.encode() in ended.stderr
        assert ended.stderr.count(b"\n") == 1

    @pytest.mark.parametrize(
        ("void", "options"),
        [
            ("--keep", ["--ratio", "2", "--keep", "0.5"]),
            ("--endpoint", ["--endpoint", "responses"]),
            ("--model", ["--request", "--model", "gpt-4"]),
        ],
    )
    def test_an_option_that_another_makes_void_is_an_error_of_one_line(
        self, tmp_path: Path, void: str, options: list[str]
    ) -> None:
        ended = _run(*options, directory=tmp_path, given=STORY.encode())

        assert (ended.returncode, ended.stdout) == (2, b"")
        assert ended.stderr.startswith(f"error: {void}: ".encode())
        assert ended.stderr.count(b"\n") == 1


class TestRequests:
    def test_a_body_comes_out_as_the_proxy_would_send_it(self, tmp_path: Path) -> None:
        body = _asking(STORY, "Hello")

        ended = _run("--request", "--ratio", "2", directory=tmp_path, given=body)

        after = json.dumps(_compressed(STORY).decode(), ensure_ascii=False).encode()
        assert ended.stdout == body.replace(json.dumps(STORY).encode(), after)
        assert b"/messages/1/content user, no rule" in ended.stderr
        assert b"unchanged (one_token)" in ended.stderr

    def test_the_account_marks_the_encoding_of_an_unknown_model_as_assumed(
        self, tmp_path: Path
    ) -> None:
        known = _asking(STORY)
        unknown = known.replace(b"gpt-4o", b"mistral-large")

        for body, told in ((known, b"o200k_base)"), (unknown, b"o200k_base, assumed)")):
            ended = _run("--request", "--ratio", "2", directory=tmp_path, given=body)

            assert told in ended.stderr

    def test_another_endpoint_counts_if_the_settings_choose_it(self, tmp_path: Path) -> None:
        body = json.dumps({"model": "gpt-4o", "input": STORY}).encode()
        options = ("--request", "--endpoint", "responses", "--ratio", "2")

        chosen = _run(*options, directory=tmp_path, given=body, COMPRESSION_ENDPOINTS="responses")
        left = _run(*options, directory=tmp_path, given=body)

        assert len(chosen.stdout) < len(left.stdout)
        assert left.stdout == body
        assert left.stderr == b"standard input: unchanged (endpoint_not_chosen)\n"

    def test_what_is_not_json_is_an_error(self, tmp_path: Path) -> None:
        ended = _run("--request", "--ratio", "2", directory=tmp_path, given=b"\xff no JSON")

        assert (ended.returncode, ended.stdout) == (2, b"")
        assert ended.stderr == (
            b"error: standard input: not JSON; with --request it must be the body of a request\n"
        )

    def test_json_that_is_no_request_comes_out_as_it_was(self, tmp_path: Path) -> None:
        ended = _run("--request", "--ratio", "2", directory=tmp_path, given=b"[1, 2]")

        assert (ended.returncode, ended.stdout) == (0, b"[1, 2]")
        assert b"unchanged (unexpected_shape)" in ended.stderr


class TestTheAccount:
    def test_as_json_it_tells_everything_of_each_text(self, tmp_path: Path) -> None:
        ended = _run("--ratio", "2", "--json", directory=tmp_path, given=STORY.encode())

        (account,) = _accounts(ended)
        (text,) = account["texts"]
        removed = text["removed"]
        ends = [0, *(end for _, end in removed)]
        starts = [*(start for start, _ in removed), len(STORY)]
        left = "".join(STORY[end:start] for end, start in zip(ends, starts, strict=True))
        assert left.encode() == ended.stdout == text["text"].encode()
        assert len(text["seed"]) == 64
        assert (account["input"], text["rule"], text["strategy"]) == (
            "standard input",
            None,
            "uniform",
        )
        before = len(TOKENIZER.encode(STORY))
        assert (text["tokens_before"], text["tokens_billed"]) == (
            before,
            len(TOKENIZER.encode(left)),
        )

    def test_without_colour_brackets_show_what_goes(self, tmp_path: Path) -> None:
        ended = _run("--ratio", "2", "--explain", directory=tmp_path, given=STORY.encode())

        shown = ended.stderr.decode().split("\n", 2)[2].rstrip("\n")
        assert "\x1b" not in shown
        assert "[-" in shown
        assert shown.replace("[-", "").replace("-]", "") == STORY.replace("\r", "\\r")

    def test_with_colour_what_goes_is_struck_out(self, tmp_path: Path) -> None:
        ended = _run(
            *("--ratio", "2", "--explain"),
            directory=tmp_path,
            given=STORY.encode(),
            FORCE_COLOR="1",
            TERM="xterm",
        )

        assert b"\x1b[9;31m" in ended.stderr
        assert b"[-" not in ended.stderr

    def test_a_text_cannot_speak_to_the_terminal(self, tmp_path: Path) -> None:
        hostile = "\x1b]0;forged\x07 and \x1b[2J more of it, \x9b31m at length " * 3

        ended = _run("--ratio", "2", "--explain", directory=tmp_path, given=hostile.encode())

        shown = ended.stderr.decode()
        assert not {"\x1b", "\x07", "\x9b"} & set(shown)

    def test_it_stands_in_no_log(self, tmp_path: Path) -> None:
        _run("--ratio", "2", "--explain", directory=tmp_path, given=STORY.encode())

        assert list(tmp_path.iterdir()) == []
