"""What a process says on its standard error once logging is configured."""

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from tests.waiting import PATIENCE_SECONDS

CONFIGURED = """
import logging, threading, warnings
from openai_proxy.adapters.logs.library_logs import configure_logging
configure_logging({log_format!r})
"""

ACCIDENTS = """
class Unraisable:
    def __del__(self):
        raise ValueError("in a finaliser")

warnings.warn("something is old")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
Unraisable()
logging.getLogger("library").error("%d streams", "many")
raise RuntimeError("boom\\nforged \\x1b[31m")
"""


def standard_error_of(script: str, *, log_format: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", CONFIGURED.format(log_format=log_format) + textwrap.dedent(script)],
        stderr=subprocess.PIPE,
        check=False,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    return process.stderr


def objects(lines: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


class TestJson:
    def test_every_accident_is_one_object_with_a_severity(self) -> None:
        said = objects(standard_error_of(ACCIDENTS, log_format="json"))

        assert [(line["severity"], line["logger"]) for line in said] == [
            ("WARNING", "py.warnings"),
            ("CRITICAL", "openai_proxy"),
            ("ERROR", "openai_proxy"),
            ("ERROR", "library"),
            ("CRITICAL", "openai_proxy"),
        ]
        assert said[-1]["stack_trace"].endswith("RuntimeError: boom\nforged \x1b[31m")

    def test_uvicorn_speaks_json_too(self) -> None:
        script = """
            import uvicorn
            uvicorn.run("no_such_module:app", log_config=None)
            """

        said = objects(standard_error_of(script, log_format="json"))

        assert {line["logger"] for line in said} == {"uvicorn.error"}
        assert any("no_such_module" in line["message"] for line in said)


class TestText:
    def test_what_goes_on_over_several_lines_stands_behind_bars(self) -> None:
        said = standard_error_of(ACCIDENTS, log_format="text").splitlines()

        heads = [line.split(" ", 2)[1] for line in said if not line.startswith("| ")]
        assert heads == ["WARNING", "CRITICAL", "ERROR", "ERROR", "CRITICAL"]
        assert said[-1] == "| forged \\x1b[31m"


@pytest.mark.parametrize("log_format", ["text", "json"])
class TestEitherFormat:
    def test_what_libraries_say_of_each_request_is_not_repeated(self, log_format: str) -> None:
        script = """
            for name in ("httpx", "httpcore.connection", "uvicorn.access", "websockets.server"):
                logging.getLogger(name).info("GET /v1/models?key=canary")
            logging.getLogger("uvicorn.error").info("the only line")
            """

        (line,) = standard_error_of(script, log_format=log_format).splitlines()

        assert "the only line" in line

    def test_last_words_are_not_lost(self, log_format: str) -> None:
        script = """
            for number in range(1000):
                logging.error("line %d", number)
            """

        said = standard_error_of(script, log_format=log_format).splitlines()

        assert len(said) == 1000
        assert "line 999" in said[-1]

    def test_a_process_whose_errors_nobody_reads_goes_on_and_ends(self, log_format: str) -> None:
        script = CONFIGURED.format(log_format=log_format) + textwrap.dedent("""
            for number in range(3000):
                logging.error("x" * 1000)
            print("still here", flush=True)
            """)
        unread, stderr = os.pipe()

        with subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process:
            said, _ = process.communicate(timeout=PATIENCE_SECONDS)
        os.close(unread)
        os.close(stderr)

        assert (said, process.returncode) == ("still here\n", 0)
