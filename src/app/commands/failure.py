"""How a command ends that cannot do what was asked: a line for each reason, and exit code 2."""

import json
import sys
from collections.abc import Collection, Iterable
from typing import NoReturn

import click

from ..environment import is_on_platform, load_settings
from ..settings import InvalidSettings, Settings


def fail(problems: Iterable[str]) -> NoReturn:
    """Tell each problem on standard error, and end."""
    for problem in problems:
        click.echo(_line(problem), err=True)
    sys.exit(2)


def _line(problem: str) -> str:
    # Whoever collects lines there takes the severity from an object alone.
    if is_on_platform():
        return json.dumps({"severity": "ERROR", "message": problem})
    return f"error: {problem}"


def settings_or_fail(*, without: Collection[str] = ()) -> Settings:
    """The settings of this process, but for the variables named in `without`."""
    try:
        return load_settings(without=without)
    except InvalidSettings as invalid:
        fail(invalid.problems)
