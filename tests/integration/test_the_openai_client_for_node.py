"""The real `openai` package for Node, given the proxy's address, notices no difference.

It is looked for in tests/node_modules and where NODE_PATH points:

    npm install --no-save --prefix tests openai
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.running_proxy import RunningProxy
from tests.scripted_upstream import (
    EVENT_STREAM,
    ScriptedUpstream,
    answer,
    close,
    event,
    head,
    receive,
)

SCENES = Path(__file__).with_name("openai_client.cjs")
JSON = (b"Content-Type", b"application/json")
BINARY = bytes(range(256)) * 16

FOLDERS = [
    Path(__file__).parents[1] / "node_modules",
    *[Path(folder) for folder in os.environ.get("NODE_PATH", "").split(os.pathsep) if folder],
]
WITH_OPENAI = [folder for folder in FOLDERS if (folder / "openai").is_dir()]

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="needs Node"),
    pytest.mark.skipif(
        not WITH_OPENAI,
        reason="needs Node's openai: npm install --no-save --prefix tests openai",
    ),
]

Play = Callable[[str], Any]


@pytest.fixture(params=["", "/v1"], ids=["without /v1", "with /v1"])
def play(proxy: RunningProxy, request: pytest.FixtureRequest) -> Play:
    """Plays a scene of openai_client.cjs; what the client saw."""

    def play_scene(scene: str) -> Any:
        played = subprocess.run(
            ["node", SCENES, scene, f"{proxy.url}{request.param}"],
            check=True,
            capture_output=True,
            env={"PATH": os.environ["PATH"], "NODE_PATH": str(WITH_OPENAI[0])},
            timeout=30,
        )
        return json.loads(played.stdout)

    return play_scene


def test_an_answer(play: Play, upstream: ScriptedUpstream) -> None:
    assert play("answer") == "How are you?"
    assert upstream.requests[0].target == b"/v1/chat/completions"
    assert upstream.requests[0].values(b"authorization") == [b"Bearer sk-callers-own"]


def test_a_stream(play: Play) -> None:
    assert play("stream") == ["How ", "are ", "you? "]


def test_a_stream_that_breaks_off_raises(play: Play, upstream: ScriptedUpstream) -> None:
    part = b'{"id": "1", "object": "chat.completion.chunk", "choices": []}'
    upstream.plays(receive(), head(200, EVENT_STREAM), event(part), close())

    assert play("brokenStream") == ["1", "broken"]


def test_the_raw_answer(play: Play, upstream: ScriptedUpstream) -> None:
    body = b'{"object": "list", "data": [{"id": "gpt-4o"}]}'
    upstream.plays(answer(200, [JSON, (b"X-Request-Id", b"req_7")], body))

    assert play("rawAnswer") == ["req_7", ["gpt-4o"]]


def test_an_error_of_the_upstream_is_the_clients_own(
    play: Play, upstream: ScriptedUpstream
) -> None:
    error = {"message": "No.", "type": "t", "param": "p", "code": "c"}
    upstream.plays(receive(), answer(429, [JSON], json.dumps({"error": error}).encode()))

    assert play("error") == ["RateLimitError", 429, error]


def test_retry_after_makes_the_client_try_again(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.plays(receive(), answer(429, [JSON, (b"Retry-After-Ms", b"20")], b"{}"))

    assert play("retry") == "How are you?"
    assert len(upstream.requests) == 2


def test_an_upload(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.plays(receive(), answer(200, [JSON], b'{"id": "file-1", "object": "file"}'))

    assert play("upload") == "file-1"
    assert BINARY in upstream.requests[0].body


def test_a_download(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.plays(answer(200, [(b"Content-Type", b"application/octet-stream")], BINARY))

    assert play("download") is True
