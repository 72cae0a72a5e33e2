"""The main job shown on one machine, with no key and no internet."""

import json
import socket
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import click
import httpx
import uvicorn
from attrs import frozen

from ...adapters.compression.tokenizer import tokenizer_for
from ..application import create_app
from ..container import Container
from ..server import server_options
from ..settings import Settings
from .demo_upstream import demo_upstream

MODEL = "gpt-4o"
MESSAGE = (
    "Please read this short report and tell me in one sentence what it is about. The harbour of "
    "Lisbon was rebuilt after the great earthquake of 1755, when the waters of the Tagus rose and "
    "swept away the warehouses of the merchants. The new quays were laid out in straight lines, "
    "broad enough for two carriages, and planted with trees that still stand there today."
)
LOOPBACK = "127.0.0.1"
_SECONDS_TO_START = 15


@frozen
class Reply:
    """What came back to the client."""

    text: str
    prompt_tokens: int
    chunks: int


def run_demo(*, keep_running: bool) -> None:
    """Start an upstream and two proxies, send a chat through both, and show what arrived."""
    with _served(demo_upstream(tokenizer_for), {}) as upstream_port:
        upstream = f"http://{LOOPBACK}:{upstream_port}/v1"
        click.echo(f"An OpenAI-shaped upstream that echoes what reaches it: {upstream}")
        click.echo(f"The client is {_client_name()} and sends this message:\n  {MESSAGE}\n")
        with _proxy(upstream, "1.0") as plain, _proxy(upstream, "2.0") as compressing:
            _show("Relayed as it is", plain, _chat(plain))
            _show("Relayed with COMPRESSION_RATIO=2.0", compressing, _chat(compressing))
            if keep_running:
                _wait_for_reader(compressing)


@contextmanager
def _proxy(upstream: str, compression_ratio: str) -> Generator[str]:
    settings = Settings(
        host=LOOPBACK,
        upstream_base_url=upstream,
        compression_ratio=compression_ratio,
        log_format="none",
    )
    application = create_app(Container(settings=settings))
    with _served(application, server_options(settings)) as port:
        yield f"http://{LOOPBACK}:{port}/v1"


@contextmanager
def _served(application: Any, options: Mapping[str, Any]) -> Generator[int]:
    """Serve `application` in a thread, on a free port of loopback, which is what this yields."""
    listener = socket.create_server((LOOPBACK, 0))
    port = listener.getsockname()[1]
    quiet: dict[str, Any] = {
        **options,
        "log_config": None,
        "log_level": "warning",
        "access_log": False,
    }
    server = uvicorn.Server(uvicorn.Config(application, **quiet))
    thread = threading.Thread(target=server.run, args=[[listener]], daemon=True)
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield port
    finally:
        server.should_exit = True
        thread.join()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise click.ClickException("the demo's server did not start")
        time.sleep(0.01)


def _client_name() -> str:
    return "plain httpx" if _openai() is None else "the openai package"


def _openai() -> Any:
    try:
        import openai  # noqa: PLC0415 - used if the reader has it
    except ImportError:
        return None
    return openai


def _chat(base_url: str) -> Reply:
    """Send the message past any HTTP proxy of this machine, and read the answer as a stream."""
    with httpx.Client(trust_env=False, timeout=30) as http:
        openai = _openai()
        if openai is None:
            return _chat_with_httpx(http, base_url)
        return _chat_with_openai(openai.OpenAI(base_url=base_url, api_key="demo", http_client=http))


def _request() -> dict[str, Any]:
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": MESSAGE}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _chat_with_openai(client: Any) -> Reply:
    return _reply([chunk.model_dump() for chunk in client.chat.completions.create(**_request())])


def _chat_with_httpx(http: httpx.Client, base_url: str) -> Reply:
    url = f"{base_url}/chat/completions"
    with http.stream("POST", url, json=_request()) as response:
        events = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    return _reply([json.loads(event) for event in events if event != "[DONE]"])


def _reply(chunks: list[dict[str, Any]]) -> Reply:
    words = [choice["delta"].get("content") or "" for c in chunks for choice in c["choices"]]
    usage = next(chunk["usage"] for chunk in chunks if chunk.get("usage"))
    return Reply("".join(words), usage["prompt_tokens"], len(chunks))


def _show(title: str, base_url: str, reply: Reply) -> None:
    click.echo(f"{title} ({base_url}):")
    click.echo(f"  prompt tokens billed by the upstream: {reply.prompt_tokens}")
    click.echo(f"  answer, in {reply.chunks} chunks: {reply.text}\n")


def _wait_for_reader(base_url: str) -> None:
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "Hello there"}]})
    click.echo("Both proxies go on until you press Ctrl-C. Try:")
    click.echo(
        f"  curl {base_url}/chat/completions -H 'content-type: application/json' -d '{body}'"
    )
    click.echo(f"or open {base_url.removesuffix('/v1')}/_proxy/ in a browser.")
    try:
        # In pieces: a signal that comes while a wait is about to begin does not end it.
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        click.echo()
