"""What the page on evaluation shows is what happens."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

from openai_proxy.app.commands.evaluate import evaluate

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "evaluation.md").read_text(encoding="utf-8")


def test_each_example_prints_what_the_page_says() -> None:
    examples = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    printed: list[str] = []
    for code, _ in examples:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(code, "evaluation.md", "exec"), names)
        printed.append(output.getvalue())

    assert len(examples) == PAGE.count("```python")
    assert printed == [text for _, text in examples]


def test_each_option_on_the_page_is_one_of_the_command() -> None:
    shown = set(re.findall(r"(?<![\w-])--[a-z-]+", PAGE))

    assert shown <= {option for parameter in evaluate.params for option in parameter.opts}


def test_each_page_that_is_linked_is_there() -> None:
    linked = re.findall(r"\]\(([^):]+\.md)\)", PAGE)

    assert linked
    assert all((DOCS / name).is_file() for name in linked)
