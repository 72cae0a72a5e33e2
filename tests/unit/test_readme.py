"""What the README says is so."""

import re
import shlex
from pathlib import Path
from typing import Any

import uvicorn

from openai_proxy.app import create_app
from openai_proxy.app.server import server_options
from openai_proxy.app.settings import Settings, variables

README = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")


def code_blocks(language: str, *, holding: str) -> list[str]:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return [block for block in blocks if holding in block]


def run(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block, "README.md", "exec"), names)
    return names


def test_the_table_of_settings_is_the_codes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \| (.*) \|$", README, re.MULTILINE)

    assert rows == [
        (variable.name, variable.default, variable.allowed, variable.meaning)
        for variable in variables()
    ]


def test_the_library_works_as_shown(capsys: Any) -> None:
    (block,) = code_blocks("python", holding="compress_text")

    compressed = run(block)["compressed"]

    assert len([line for line in block.splitlines() if line.strip()]) <= 6
    assert (compressed.tokens_before, compressed.tokens_billed) == (10, 5)
    assert capsys.readouterr().out == f"{compressed.text} 10 5\n"


def test_the_extended_proxy_can_be_made_as_shown() -> None:
    (block,) = code_blocks("python", holding="class PrintedLog")

    names = run(block)

    assert callable(create_app(names["container"]()))


def test_the_development_server_has_the_options_of_the_command() -> None:
    (arguments,) = re.findall(r"^uv run uvicorn (.*)$", README, re.MULTILINE)
    flags = uvicorn.main.make_context("uvicorn", shlex.split(arguments)).params
    its_own = {"host", "port"}
    without_a_flag = {"log_config", "ws_ping_timeout"}

    options = server_options(Settings())

    assert {name: flags[name] for name in options.keys() - its_own - without_a_flag} == {
        name: f"{option.__module__}:{option.__name__}" if isinstance(option, type) else option
        for name, option in options.items()
        if name not in its_own | without_a_flag
    }
