"""The two log files, the lines for a platform, and what none of them may hold."""

import json
import stat
from pathlib import Path

import pytest
from tests.raw_client import RawClient, connected, request
from tests.running_proxy import RunningProxy, StartProxy, run_command, wait_for
from tests.scripted_upstream import ScriptedUpstream, answer, close, receive
from tests.waiting import wait_until

JSON = (b"Content-Type", b"application/json")
TEXT = "The quick brown fox jumps over the lazy dog and runs into the wide green forest. " * 4
CHAT = json.dumps(
    {"model": "gpt-4o", "messages": [{"role": "user", "content": TEXT}]}, ensure_ascii=False
).encode()


@pytest.fixture
def halving(start_proxy: StartProxy) -> RunningProxy:
    return start_proxy(COMPRESSION_RATIO="2")


def _ask(
    proxy: RunningProxy, target: bytes, *headers: tuple[bytes, bytes], body: bytes | None = None
) -> int:
    with connected(proxy.address) as client:
        method = b"GET" if body is None else b"POST"
        return client.ask(method, target, [JSON, *headers], body).status


def test_a_line_a_request_tells_what_was_asked_and_answered(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    upstream.plays(answer(404, [], b"12345"))
    _ask(halving, b"/v1/models/gone?after=x")
    _ask(halving, b"/v1/chat/completions", body=CHAT)

    lines = wait_for(halving.request_log, "/v1/chat/completions").splitlines()

    first, second = lines
    assert all(f" {word} " in f"{first} " for word in ["GET", "/v1/models/gone", "404", "out=5"])
    assert all(f" {word} " in second for word in ["POST", "200", f"in={len(CHAT)}"])
    assert "compression=off" in first
    assert "compression=applied" in second


def test_the_compression_log_shows_the_text_before_and_after(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    _ask(halving, b"/v1/chat/completions", body=CHAT)

    entry = wait_for(halving.compression_log, "==== summary")

    sent = json.loads(bytes(upstream.requests[0].body))["messages"][0]["content"]
    assert f"---- BEFORE\n| {TEXT}\n---- AFTER\n| {sent}\n" in entry
    assert all(word in entry for word in ["gpt-4o", "role user", "uniform", "keep ratio 0.5"])


def test_the_files_are_the_owners_alone(halving: RunningProxy) -> None:
    _ask(halving, b"/v1/chat/completions", body=CHAT)
    wait_for(halving.compression_log, "summary")
    wait_for(halving.request_log, "POST")

    modes = [_mode(path) for path in (halving.request_log, halving.compression_log)]
    assert modes == [0o600, 0o600]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_files_rotate_and_so_many_are_kept(start_proxy: StartProxy) -> None:
    proxy = start_proxy(LOG_MAX_BYTES="2000", LOG_BACKUPS="2")

    for _ in range(60):
        _ask(proxy, b"/v1/models")
    wait_until(lambda: len(_sizes(proxy, "proxy_requests.log*")) == 3)

    assert max(_sizes(proxy, "proxy_requests.log*").values()) <= 2000


def _sizes(proxy: RunningProxy, names: str) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in proxy.directory.glob(names)}


def test_prompt_text_is_in_the_compression_log_alone(
    halving: RunningProxy,
) -> None:
    _ask(halving, b"/v1/chat/completions", body=CHAT)
    wait_for(halving.compression_log, "quick brown fox")
    wait_for(halving.request_log, "POST")

    assert "fox" not in halving.request_log.read_text() + halving.stdout + halving.stderr


def test_a_request_that_failed_or_was_refused_has_its_line(
    halving: RunningProxy, upstream: ScriptedUpstream
) -> None:
    upstream.plays(receive(), close())
    _ask(halving, b"/v1/responses", body=b"{}")
    with connected(halving.address) as client:
        client.ask(b"GET", b"/v1/../secret")
    upstream.plays(receive(), answer(200, [(b"Content-Length", b"9")], b"short"), close())
    _ask(halving, b"/v1/models")

    lines = wait_for(halving.request_log, "incomplete").splitlines()

    assert any("/v1/responses 502 " in line and "error=" in line for line in lines)
    assert any("/v1/models 200 " in line and " incomplete" in line for line in lines)
    halving.terminate()
    assert "ERROR" not in halving.stderr


CANARIES = {
    "authorization": (b"Authorization", b"Bearer canary-authorization"),
    "api-key": (b"Api-Key", b"canary-api-key"),
    "cookie": (b"Cookie", b"session=canary-cookie"),
    "proxy key": (b"X-Proxy-Api-Key", b"canary-proxy-key"),
    "goog": (b"X-Goog-Api-Key", b"canary-goog"),
    "basic": (b"Proxy-Authorization", b"Basic canary-basic"),
    "subprotocol": (b"Sec-WebSocket-Protocol", b"realtime, openai-insecure-api-key.canary-sub"),
}


@pytest.mark.parametrize("platform", [{}, {"K_SERVICE": "x"}], ids=["local", "on a platform"])
def test_no_key_and_no_cookie_reaches_any_output(
    start_proxy: StartProxy, upstream: ScriptedUpstream, platform: dict[str, str]
) -> None:
    proxy = start_proxy(
        COMPRESSION_RATIO="2",
        OPENAI_API_KEY="canary-server-key",
        PROXY_API_KEYS="canary-proxy-key",
        PYTHONASYNCIODEBUG="1",
        **platform,
    )
    fields = list(CANARIES.values())
    target = b"/v1/responses?api_key=canary-query&key=canary-query-2"
    upstream.plays(receive(), answer(200, [(b"Set-Cookie", b"id=canary-set-cookie")]))
    upstream.plays(receive(), answer(500, [], b"canary-body"))
    upstream.plays(receive(), close())
    for _ in range(3):
        _ask(proxy, target, *fields, body=b"{}")
    _ask(proxy, b"/v1/chat/completions?k=canary-query", *fields, body=CHAT)
    _ask(proxy, target, (b"Authorization", b"Bearer canary-wrong"), body=b"{}")
    _send_nonsense(proxy, fields)
    last = "/v1/the-last-one"
    _ask(proxy, last.encode() + b"?canary", *fields)

    if not platform:
        wait_for(proxy.request_log, last)
    else:
        wait_for(proxy.directory / "stdout", last)
    proxy.terminate()

    everything = "".join(path.read_text() for path in proxy.directory.iterdir())
    assert last in everything
    assert "canary" not in everything


def _send_nonsense(proxy: RunningProxy, fields: list[tuple[bytes, bytes]]) -> None:
    whole = request(b"GET", b"/v1/models?canary-query", fields)
    for damaged in [
        whole.replace(b"HTTP/1.1", b"HTTP/9.9"),
        whole.replace(b"Cookie:", b"Cook\x00ie:"),
        whole.replace(b"\r\nHost", b"\r\nTransfer-Encoding: gzip\r\nHost"),
        whole.replace(b"/v1/models", b"/v1/../models"),
        whole[:-10],
    ]:
        with connected(proxy.address) as client:
            client.send(damaged)
            client.socket.settimeout(0.3)
            _read_a_little(client)


def _read_a_little(client: RawClient) -> None:
    try:
        client.socket.recv(4096)
    except (TimeoutError, ConnectionResetError):
        return


class TestOnAPlatform:
    @pytest.fixture
    def platform(self, start_proxy: StartProxy) -> RunningProxy:
        return start_proxy(COMPRESSION_RATIO="2", K_SERVICE="openai-proxy")

    def test_each_line_of_output_is_a_json_object_with_a_severity(
        self, platform: RunningProxy
    ) -> None:
        _ask(platform, b"/v1/chat/completions", body=CHAT)
        _send_nonsense(platform, [])
        wait_for(platform.directory / "stdout", "/v1/chat/completions")
        platform.terminate()

        lines = (platform.stdout + platform.stderr).splitlines()
        assert lines
        assert [line for line in lines if "severity" not in _parsed(line)] == []

    def test_so_is_each_problem_that_stops_the_start(self, tmp_path: Path) -> None:
        settings = {"K_SERVICE": "openai-proxy", "COMPRESSION_RATIO": "0.5", "PORT": "http"}

        ended = run_command(directory=tmp_path, settings=settings)

        lines = [_parsed(line) for line in (ended.stdout + ended.stderr).splitlines()]
        assert ended.returncode == 2
        assert [line["severity"] for line in lines] == ["ERROR", "ERROR"]
        assert [str(line["message"]).split(":")[0] for line in lines] == [
            "COMPRESSION_RATIO",
            "PORT",
        ]

    def test_no_file_is_written_and_no_prompt_text_shown(self, platform: RunningProxy) -> None:
        _ask(platform, b"/v1/chat/completions", body=CHAT)
        shown = wait_for(platform.directory / "stdout", "/v1/chat/completions")

        assert {path.name for path in platform.directory.iterdir()} == {"stdout", "stderr"}
        assert "fox" not in shown

    def test_prompt_text_is_shown_if_it_is_asked_for(self, start_proxy: StartProxy) -> None:
        proxy = start_proxy(COMPRESSION_RATIO="2", K_SERVICE="proxy", LOG_CONTENT="true")

        _ask(proxy, b"/v1/chat/completions", body=CHAT)

        wait_for(proxy.directory / "stdout", "quick brown fox")

    def test_a_request_is_linked_to_its_trace_if_it_names_one(self, platform: RunningProxy) -> None:
        trace = "105445aa7843bc8bf206b12000100000"
        for value in (f"{trace}/1;o=1", f'{trace}","severity":"forged', trace[:-1]):
            _ask(platform, b"/v1/models", (b"X-Cloud-Trace-Context", value.encode()))
        wait_until(lambda: platform.stdout.count("\n") == 3)

        lines = [_parsed(line) for line in platform.stdout.splitlines()]
        traces = [line.get("logging.googleapis.com/trace") for line in lines]
        assert str(traces[0]).endswith(trace)
        assert traces[1:] == [None, None]

    def test_so_is_all_that_an_accident_says(self, start_proxy: StartProxy, tmp_path: Path) -> None:
        (tmp_path / "accidents.py").write_text(ACCIDENTS)
        proxy = start_proxy(
            K_SERVICE="openai-proxy",
            COMPRESSION_RATIO="2",
            COMPRESSION_STRATEGY="accidents:AtEachChat",
            PYTHONPATH=str(tmp_path),
        )
        assert _ask(proxy, b"/v1/chat/completions", body=CHAT) == 200
        proxy.terminate()

        lines = [_parsed(line) for line in (proxy.stdout + proxy.stderr).splitlines()]
        assert [line for line in lines if "severity" not in line] == []
        traces = "".join(str(line.get("stack_trace", "")) for line in lines)
        assert "in a thread" in traces
        assert "something is old" in proxy.stderr


ACCIDENTS = """
import threading
import warnings

def _fail():
    raise ValueError("in a thread\\nforged \\x1b[31m")

class AtEachChat:
    name = "accidental"

    def starts(self, *_):
        warnings.warn("something is old")
        thread = threading.Thread(target=_fail)
        thread.start()
        thread.join()
        raise ValueError("in the strategy")

    order = starts
"""


def _parsed(line: str) -> dict[str, object]:
    try:
        parsed: dict[str, object] = json.loads(line)
    except ValueError:
        return {}
    return parsed


def test_no_line_can_be_forged(halving: RunningProxy) -> None:
    forged = "x\n2026-01-01T00:00:00.000Z forged\x1b[2J\x85 end"
    body = json.dumps({"model": forged, "messages": [{"role": "user", "content": forged * 9}]})

    _ask(halving, b"/v1/chat/completions", body=body.encode())
    wait_for(halving.compression_log, "summary")
    wait_for(halving.request_log, "POST")

    written = [halving.request_log, halving.compression_log]
    for path in [*written, halving.directory / "stdout", halving.directory / "stderr"]:
        lines = path.read_text().split("\n")
        assert not any(line.startswith("2026-01-01") for line in lines)
        assert not any("\x1b" in line or "\x85" in line or "\r" in line for line in lines)
