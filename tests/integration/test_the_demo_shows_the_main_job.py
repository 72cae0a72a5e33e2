"""`openai-proxy demo`, as somebody without a key sees it."""

import re
import subprocess

from tests.running_proxy import COMMAND


def test_it_shows_the_same_chat_with_and_without_compression_and_ends() -> None:
    shown = subprocess.run(
        [COMMAND, "demo"], capture_output=True, text=True, timeout=60, check=True, env={}
    )

    plain, compressed = map(int, re.findall(r"billed by the upstream: (\d+)", shown.stdout))
    overhead_of_a_chat = 7
    assert plain - overhead_of_a_chat == 2 * (compressed - overhead_of_a_chat)
    assert shown.stderr == ""


def test_without_the_openai_package_it_uses_httpx() -> None:
    program = (
        "import sys; sys.modules['openai'] = None\n"
        "from openai_proxy.app.command import main\n"
        "main(['demo'])"
    )

    shown = subprocess.run(
        [COMMAND.with_name("python"), "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "The client is plain httpx" in shown.stdout
    assert shown.stdout.count("billed by the upstream") == 2
