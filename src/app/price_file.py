"""The file of prices that PRICES_FILE names: TOML, a table [[price]] for a pattern of model names."""

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from ..domain.control.toml_lines import TomlError, TomlLines, read_toml
from ..domain.savings.prices import PriceList, Prices

_TABLE = "price"
_REQUIRED = ("model", "input", "output")
_KEYS = (*_REQUIRED, "cached_input", "cache_write")


class InvalidPrices(ValueError):
    """A file that says something else than prices; `problems` holds a line for each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


def load_prices(path: str) -> PriceList:
    """The prices in the file at `path`. Raises InvalidPrices."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InvalidPrices([f"{path} cannot be read; it must be a TOML file"]) from None
    return read_prices(text, source=path)


def read_prices(text: str, *, source: str) -> PriceList:
    """The prices in a file's text.

    Without prices of their own, `cached_input` and `cache_write` cost what
    `input` does. Raises InvalidPrices with `source:line: reason` for every problem.
    """
    try:
        document = read_toml(text)
    except TomlError as error:
        raise InvalidPrices([f"{source}:{error.line}: {error}"]) from error
    problems = [
        f"{source}:{line}: {reason}"
        for line, reason in _problems(document, TomlLines.of(text, _TABLE))
    ]
    if problems:
        raise InvalidPrices(problems)
    return PriceList(tuple((table["model"], _prices(table)) for table in document.get(_TABLE, [])))


def _prices(table: Mapping[str, Any]) -> Prices:
    base = _decimal(table["input"])
    return Prices(
        input=base,
        output=_decimal(table["output"]),
        cached_input=_decimal(table.get("cached_input", base)),
        cache_write=_decimal(table.get("cache_write", base)),
    )


def _decimal(price: float | Decimal) -> Decimal:
    """The number as it was written, not the binary one next to it."""
    return Decimal(str(price))


def _problems(document: Mapping[str, Any], lines: TomlLines) -> Iterator[tuple[int, str]]:
    """What is wrong, and on which line."""
    for key in document.keys() - {_TABLE}:
        yield lines.of_key(-1, key), f"{key}: only tables [[{_TABLE}]] are known here"
    tables: list[Any] | dict[str, Any] = document.get(_TABLE, [])
    if not isinstance(tables, list):
        yield lines.of_key(-1, _TABLE), f"{_TABLE}: write [[{_TABLE}]], in two brackets"
        return
    for index, table in enumerate(tables):
        if not isinstance(table, dict):
            yield lines.of_key(-1, _TABLE), f"{_TABLE}: write [[{_TABLE}]], in two brackets"
            continue
        for key, reason in _problems_of(cast("dict[str, Any]", table)):
            yield lines.of_key(index, key), f"{key}: {reason}"


def _problems_of(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in _REQUIRED:
        if key not in table:
            yield key, "is missing"
    for key, value in table.items():
        if key not in _KEYS:
            yield key, f"is not known; there are {', '.join(_KEYS)}"
        elif key == "model":
            if not (isinstance(value, str) and value):
                yield key, "must be the name of a model, in which * stands for anything"
        elif not _is_price(value):
            yield key, "must be a number of at least 0, in USD for a million tokens"


def _is_price(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0
