"""The file of prices that PRICES_FILE names: TOML, a table for each pattern of model names."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from ..domain.prices import PriceList, Prices

_REQUIRED = ("input", "output")
_KEYS = (*_REQUIRED, "cached_input", "cache_write")
_QUOTE = 'put the name of a model in quotes, as in ["gpt-4o*"]'
_LINE = re.compile(r" \(at line (\d+), column \d+\)")


class InvalidPrices(ValueError):
    """A file that says something else than prices; `problems` holds a line for each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


def load_prices(path: str) -> PriceList:
    """The prices in the file at `path`. Raises InvalidPrices with file, line and reason."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InvalidPrices([f"{path} cannot be read; it must be a TOML file"]) from None
    try:
        return read_prices(text)
    except InvalidPrices as invalid:
        raise InvalidPrices([f"{path}:{problem}" for problem in invalid.problems]) from None


def read_prices(text: str) -> PriceList:
    """The prices that a file says. Raises InvalidPrices with `line: reason` for every problem.

    `input` and `output` are required; without prices of their own,
    `cached_input` and `cache_write` cost what `input` does.
    """
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise InvalidPrices([_not_toml(str(error), text)]) from None
    problems = [
        f"{_line_of(text, pattern, key)}: {problem}"
        for pattern, table in tables.items()
        for key, problem in _problems(pattern, table)
    ]
    if problems:
        raise InvalidPrices(problems)
    return PriceList(tuple((pattern, _prices(table)) for pattern, table in tables.items()))


def _prices(table: Mapping[str, Any]) -> Prices:
    base = Decimal(table["input"])
    return Prices(
        input=base,
        output=Decimal(table["output"]),
        cached_input=Decimal(table.get("cached_input", base)),
        cache_write=Decimal(table.get("cache_write", base)),
    )


def _problems(pattern: str, table: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with a table, each with the key that it is about."""
    if not isinstance(table, dict):
        yield pattern, f"{pattern!r} is not a table of prices; {_QUOTE}"
        return
    prices = cast("dict[str, Any]", table)
    for key, value in prices.items():
        if isinstance(value, dict):
            yield "", f"{pattern!r} holds another table, {key!r}; {_QUOTE}"
        elif key not in _KEYS:
            yield key, f"{pattern!r} has {key!r}, which is none of {', '.join(_KEYS)}"
        elif not _is_price(value):
            yield key, f"{key!r} of {pattern!r} must be a number of at least 0, in USD"
    for key in _REQUIRED:
        if key not in prices:
            yield "", f"{pattern!r} has no price for {key!r}"


def _is_price(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return False
    return Decimal(value).is_finite() and value >= 0


def _line_of(text: str, pattern: str, key: str) -> int:
    """Where a key stands, or its table begins; tomllib does not tell."""
    table, lines = 1, text.splitlines()
    is_inside = True
    for number, line in enumerate(lines, 1):
        content = line.lstrip()
        if content.startswith("["):
            is_inside = _begins(content, pattern)
            table = number if is_inside else table
        elif is_inside and key and content.startswith((key, f'"{key}"')):
            return number
    return table


def _begins(line: str, pattern: str) -> bool:
    try:
        return pattern in tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return False


def _not_toml(message: str, text: str) -> str:
    line = _LINE.search(message)
    number = line[1] if line else text.count("\n") + 1
    return f"{number}: {_LINE.sub('', message)}"
