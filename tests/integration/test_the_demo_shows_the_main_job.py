"""`openai-proxy demo`, as somebody without a key sees it."""

import re
import shlex
import signal
import subprocess
from collections.abc import Mapping

import httpx
from tests.running_proxy import COMMAND
from tests.waiting import PATIENCE_SECONDS


def test_it_shows_the_same_chat_with_and_without_compression_and_ends() -> None:
    shown = subprocess.run(
        [COMMAND, "demo"], capture_output=True, text=True, timeout=60, check=True, env={}
    )

    plain, compressed = map(int, re.findall(r"billed by the upstream: (\d+)", shown.stdout))
    overhead_of_a_chat = 7
    assert plain - overhead_of_a_chat == 2 * (compressed - overhead_of_a_chat)
    assert shown.stderr == ""


def test_a_machine_behind_an_http_proxy_needs_it_for_neither_client() -> None:
    nobody = {"HTTP_PROXY": "http://127.0.0.1:9"}

    with_openai = subprocess.run(
        [COMMAND, "demo"], capture_output=True, timeout=60, check=False, env=nobody
    )
    with_httpx = demo_without_openai(nobody)

    assert (with_openai.returncode, with_openai.stderr) == (0, b"")
    assert (with_httpx.returncode, with_httpx.stderr) == (0, "")


def test_without_the_openai_package_it_uses_httpx() -> None:
    shown = demo_without_openai({})

    assert "The client is plain httpx" in shown.stdout
    assert shown.stdout.count("billed by the upstream") == 2


def demo_without_openai(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys; sys.modules['openai'] = None\n"
        "from openai_proxy.app.command import main\n"
        "main(['demo'])"
    )
    return subprocess.run(
        [COMMAND.with_name("python"), "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )


def test_with_serve_it_answers_the_printed_command_until_ctrl_c() -> None:
    with subprocess.Popen(
        [COMMAND, "demo", "--serve"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={},
    ) as demo:
        try:
            assert demo.stdout is not None
            command = next(line for line in demo.stdout if line.startswith("  curl "))
            _, url, _, _, _, body = shlex.split(command)
            headers = {"content-type": "application/json"}
            answer = httpx.post(url, headers=headers, content=body, timeout=PATIENCE_SECONDS)
            demo.send_signal(signal.SIGINT)
            _, errors = demo.communicate(timeout=PATIENCE_SECONDS)
        finally:
            demo.kill()

    assert answer.status_code == httpx.codes.OK
    assert answer.json()["choices"][0]["message"]["content"].startswith("You said: ")
    assert (demo.returncode, errors) == (0, "")
