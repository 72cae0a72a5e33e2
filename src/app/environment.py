"""Where the settings come from: the environment, a `.env` file, and files that hold secrets."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from dotenv import dotenv_values

from .compression import compression_problems
from .price_file import InvalidPrices, load_prices
from .settings import InvalidSettings, Settings

_MAY_STAND_IN_A_FILE = ("OPENAI_API_KEY", "PROXY_API_KEYS")


def load_settings(directory: Path | None = None, *, without: Collection[str] = ()) -> Settings:
    """The settings of this process; a `.env` file in `directory` counts below the environment.

    `OPENAI_API_KEY_FILE` and `PROXY_API_KEYS_FILE` name files that hold the
    value, as secrets are mounted. Variables named in `without` count as unset.
    Raises InvalidSettings with every problem.
    """
    environment = {**_dotenv(directory or Path.cwd()), **os.environ}
    environment = {name: value for name, value in environment.items() if name not in without}
    problems = [*_read_secret_files(environment), *compression_problems(environment)]
    try:
        settings = Settings.from_env(environment)
    except InvalidSettings as invalid:
        raise InvalidSettings([*problems, *invalid.problems]) from None
    problems += _price_problems(settings.prices_file)
    if problems:
        raise InvalidSettings(problems)
    return settings


def _price_problems(path: str | None) -> list[str]:
    try:
        if path is not None:
            load_prices(path)
    except InvalidPrices as invalid:
        return [f"PRICES_FILE: {problem}" for problem in invalid.problems]
    return []


def _dotenv(directory: Path) -> Mapping[str, str]:
    values = dotenv_values(directory / ".env", interpolate=False)
    return {name: value for name, value in values.items() if value is not None}


def _read_secret_files(environment: dict[str, str]) -> list[str]:
    problems: list[str] = []
    for name in _MAY_STAND_IN_A_FILE:
        path = environment.get(f"{name}_FILE")
        if not path:
            continue
        if environment.get(name):
            problems.append(f"{name}_FILE: {name} is set as well; only one of the two may be")
            continue
        try:
            environment[name] = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            problems.append(f"{name}_FILE: {path!r} cannot be read; it must be a readable file")
    return problems
