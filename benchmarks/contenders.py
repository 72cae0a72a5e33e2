"""Who is measured: how each is started, in front of the same upstream."""

import asyncio
import os
import shutil
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from attrs import Factory, evolve, frozen

from . import requests
from .client import Connection
from .processes import Process, Processors, running_on

ROOT = Path(__file__).parents[1]
PRODUCT = "openai-proxy"

_START_SECONDS = 60

_NGINX = """\
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log access.log;
    client_body_temp_path bodies;
    upstream api {{ server 127.0.0.1:{upstream}; keepalive 1024; }}
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        client_max_body_size 0;
        keepalive_requests 1000000;
        location / {{
            proxy_pass http://api;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_request_buffering off;
        }}
    }}
}}
"""

_HAPROXY = """\
global
    nbthread 1
    maxconn 4096
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option http-no-delay
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    http-reuse always
frontend proxy
    bind 127.0.0.1:{port}
    default_backend api
backend api
    server api 127.0.0.1:{upstream}
"""


@frozen
class Contender:
    """A way from the load to the upstream."""

    name: str
    command: Callable[[Path, int, int], Sequence[str]] | None
    """Its command, given a directory, its port and the upstream's; None goes straight there."""
    environment: Callable[[int, int], Mapping[str, str]] = lambda _port, _upstream: {}
    compresses: bool = False
    missing: str | None = None
    """Why it cannot take part."""


class DroppedOut(click.ClickException):
    """A contender that cannot be measured, or no longer; the message is one line that says why."""


@frozen
class Running:
    """A contender that answers."""

    contender: Contender
    port: int
    process: Process | None
    start_seconds: float = 0.0


def contenders(further: Mapping[str, str] = Factory(dict)) -> list[Contender]:
    """All of them; `further` are commands with {port} and {upstream} in them, by name."""
    return [
        Contender("direct", None),
        Contender("nginx", _nginx, missing=_unless_installed("nginx")),
        Contender("haproxy", _haproxy, missing=_unless_installed("haproxy")),
        Contender("bytes over uvloop", _bare_relay),
        product(PRODUCT),
        product(f"{PRODUCT}, httpx", UPSTREAM_TRANSPORT="httpx"),
        evolve(product(f"{PRODUCT}, keep 0.5", COMPRESSION_RATIO="2.0"), compresses=True),
        Contender(
            "FastAPI + httpx",
            _plain_proxy,
            lambda _, upstream: {
                **os.environ,
                "UPSTREAM_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
            },
            missing=_unless_installed("uv"),
        ),
        *(Contender(name, _given(command)) for name, command in further.items()),
    ]


def product(name: str, **settings: str) -> Contender:
    """The product with these settings beside its defaults."""
    return Contender(name, _product, _product_settings(**settings))


@asynccontextmanager
async def running(
    contender: Contender, upstream: int, processors: Processors
) -> AsyncGenerator[Running]:
    """Start it, and yield once it has relayed a request. Raises DroppedOut if it does not."""
    if contender.command is None:
        yield Running(contender, upstream, None)
        return
    port = free_port()
    with TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        command = contender.command(directory, port, upstream)
        try:
            with running_on(processors):
                process = Process(command, contender.environment(port, upstream), directory)
        except OSError as error:
            raise DroppedOut(f"{contender.name} cannot be started: {error}") from error
        try:
            await _answers(contender.name, port, process)
            yield Running(contender, port, process, time.monotonic() - process.started)
        finally:
            process.stop()


@asynccontextmanager
async def scripted_upstream(processors: Processors) -> AsyncGenerator[int]:
    """Start the upstream, and yield its port."""
    port = free_port()
    with TemporaryDirectory(prefix="benchmark-") as name, running_on(processors):
        command = [sys.executable, "-m", "benchmarks.scripted_upstream", str(port)]
        process = Process(command, {"PYTHONPATH": str(ROOT)}, Path(name))
        try:
            await _answers("the scripted upstream", port, process)
            yield port
        finally:
            process.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def _answers(name: str, port: int, process: Process) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and not process.has_ended:
        with suppress(OSError):
            connection = await Connection.to(port)
            answer = await connection.exchange(requests.get(b"/v1/models"))
            connection.close()
            if answer.status == 200:
                return
        await asyncio.sleep(0.005)
    raise DroppedOut(f"{name} does not answer: {process.last_words}")


def _nginx(directory: Path, port: int, upstream: int) -> Sequence[str]:
    configuration = directory / "nginx.conf"
    configuration.write_text(_NGINX.format(port=port, upstream=upstream))
    return ["nginx", "-p", str(directory), "-c", str(configuration)]


def _haproxy(directory: Path, port: int, upstream: int) -> Sequence[str]:
    configuration = directory / "haproxy.cfg"
    configuration.write_text(_HAPROXY.format(port=port, upstream=upstream))
    return ["haproxy", "-f", str(configuration)]


def _bare_relay(_directory: Path, port: int, upstream: int) -> Sequence[str]:
    return [
        sys.executable,
        str(Path(__file__).with_name("bare_relay.py")),
        str(port),
        str(upstream),
    ]


def _product(_directory: Path, _port: int, _upstream: int) -> Sequence[str]:
    return [str(Path(sys.executable).with_name(PRODUCT))]


def _product_settings(**settings: str) -> Callable[[int, int], Mapping[str, str]]:
    return lambda port, upstream: {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "UPSTREAM_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
        # As the image has it.
        "LOG_FORMAT": "json",
        **settings,
    }


def _plain_proxy(_directory: Path, port: int, _upstream: int) -> Sequence[str]:
    # In an environment of its own: libraries of the product's import FastAPI where they
    # find it, and would make the product start later than it does.
    packages = ("fastapi", "httpx", "uvicorn[standard]")
    environment = ["--isolated", "--no-project", "--python", sys.executable]
    return [
        *("uv", "run", "--quiet", *environment, *(f"--with={each}" for each in packages)),
        *("python", "-m", "uvicorn", "plain_proxy:app", "--app-dir", str(Path(__file__).parent)),
        *("--port", str(port)),
    ]


def _given(command: str) -> Callable[[Path, int, int], Sequence[str]]:
    return lambda _, port, upstream: command.format(port=port, upstream=upstream).split()


def _unless_installed(program: str) -> str | None:
    return None if shutil.which(program) else f"{program} is not installed"
