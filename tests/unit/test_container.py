"""How the parts are put together."""

import subprocess
import sys

import pytest
from dependency_injector import providers

from openai_proxy.adapters.logs.sinks import JsonLines, NoLogs, RotatingFiles
from openai_proxy.app.container import Container
from openai_proxy.app.settings import Settings


def parts(container: Container) -> dict[str, object]:
    return {name: provider() for name, provider in container.providers.items()}


@pytest.mark.parametrize("transport", ["native", "httpx"])
def test_every_provider_builds_its_part_once(transport: str) -> None:
    container = Container(settings=Settings(upstream_transport=transport))

    assert parts(container) == parts(container)


@pytest.mark.parametrize(
    ("environment", "sink"),
    [
        ({}, RotatingFiles),
        ({"LOG_FORMAT": "json"}, JsonLines),
        ({"LOG_FORMAT": "none"}, NoLogs),
        ({"K_SERVICE": "openai-proxy"}, JsonLines),
        ({"K_SERVICE": "openai-proxy", "LOG_FORMAT": "text"}, JsonLines),
    ],
)
def test_the_log_goes_where_the_settings_say(environment: dict[str, str], sink: type) -> None:
    assert isinstance(Container(settings=Settings.from_env(environment)).log(), sink)


def test_a_part_can_be_replaced_when_the_container_is_made() -> None:
    log = NoLogs()

    assert Container(settings=Settings(), log=providers.Object(log)).log() is log


def test_commands_that_serve_nothing_start_without_the_web_framework() -> None:
    program = (
        "import sys, openai_proxy.app.command; "
        "print([name for name in ('litestar', 'uvicorn', 'httpx') if name in sys.modules])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert printed.stdout.strip() == "[]"
