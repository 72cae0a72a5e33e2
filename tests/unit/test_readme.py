"""What the README says is so."""

import re
from pathlib import Path
from typing import Any

from openai_proxy.app.settings import variables

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

    assert callable(names["create"]())
