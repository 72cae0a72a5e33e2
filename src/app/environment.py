"""Where the settings come from: the environment, a `.env` file, and files that hold secrets."""

import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryFile

from dotenv import dotenv_values

from .compression import compression_problems
from .price_file import InvalidPrices, load_prices
from .readers import shown
from .settings import MAY_STAND_IN_A_FILE, InvalidSettings, Settings, unknown_variables

_log = logging.getLogger("openai_proxy")


def load_settings(directory: Path | None = None, *, without: Collection[str] = ()) -> Settings:
    """The settings of this process; a `.env` file in `directory` counts below the environment.

    `OPENAI_API_KEY_FILE` and `PROXY_API_KEYS_FILE` name files that hold the
    value, as secrets are mounted. Variables named in `without` count as unset.
    Raises InvalidSettings with every problem.
    """
    variables = _variables(directory or Path.cwd())
    environment = {name: value for name, value in variables.items() if name not in without}
    problems = [
        *_read_secret_files(environment),
        *compression_problems(environment),
        *_price_problems(environment),
        *_log_problems(environment),
    ]
    try:
        settings = Settings.from_env(environment)
    except InvalidSettings as invalid:
        raise InvalidSettings([*problems, *invalid.problems]) from None
    if problems:
        raise InvalidSettings(problems)
    return settings


def is_on_platform() -> bool:
    """Whether this runs on Cloud Run, even if its settings are not valid."""
    return bool(os.environ.get("K_SERVICE", "").strip())


def log_warnings(settings: Settings, directory: Path | None = None) -> None:
    """Log what is valid but hardly meant: misspelt variables, and a key lent to everyone."""
    for warning in unknown_variables(_variables(directory or Path.cwd())):
        _log.warning(warning)
    if settings.proxy_open and settings.openai_api_key and not settings.proxy_api_keys:
        _log.warning("PROXY_OPEN: everyone who reaches this proxy spends OPENAI_API_KEY")


def _variables(directory: Path) -> Mapping[str, str]:
    values = dotenv_values(directory / ".env", interpolate=False)
    below = {name: value for name, value in values.items() if value is not None}
    return {**below, **os.environ}


def _price_problems(environment: Mapping[str, str]) -> list[str]:
    path = environment.get("PRICES_FILE", "").strip()
    # Settings themselves refuse a path that is not printable.
    if not path or not path.isprintable():
        return []
    try:
        load_prices(path)
    except InvalidPrices as invalid:
        return [f"PRICES_FILE: {problem}" for problem in invalid.problems]
    return []


def _log_problems(environment: Mapping[str, str]) -> list[str]:
    path = environment.get("LOG_DIR", "").strip()
    if not (path and path.isprintable() and _writes_log_files(environment)):
        return []
    if _takes_files(Path(path).absolute()):
        return []
    return [f"LOG_DIR: {shown(path)} takes no files; it must be a directory that can be written to"]


def _writes_log_files(environment: Mapping[str, str]) -> bool:
    log_format = environment.get("LOG_FORMAT", "").strip().lower()
    return log_format not in ("json", "none") and not environment.get("K_SERVICE", "").strip()


def _takes_files(directory: Path) -> bool:
    """Whether files can be made there, the directory first if it is missing."""
    # Path.exists would raise where a directory above may not be searched.
    existing = (place for place in (directory, *directory.parents) if os.access(place, os.F_OK))
    try:
        # Permissions do not tell: root has all of them, and still not every place takes files.
        with TemporaryFile(dir=next(existing)):
            return True
    except OSError:
        return False


def _read_secret_files(environment: dict[str, str]) -> list[str]:
    problems: list[str] = []
    for name in MAY_STAND_IN_A_FILE:
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
