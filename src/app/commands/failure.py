"""How a command ends that cannot do what was asked: a line for each reason, and exit code 2."""

import sys
from collections.abc import Collection, Iterable
from typing import NoReturn

import click

from ..environment import load_settings
from ..settings import InvalidSettings, Settings


def fail(problems: Iterable[str]) -> NoReturn:
    """Tell each problem on standard error, and end."""
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    sys.exit(2)


def settings_or_fail(*, without: Collection[str] = ()) -> Settings:
    """The settings of this process, but for the variables named in `without`."""
    try:
        return load_settings(without=without)
    except InvalidSettings as invalid:
        fail(invalid.problems)
