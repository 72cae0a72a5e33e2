"""On which lines of a TOML text its keys stand, which the standard library's reader does not tell."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_AT_END = " (at end of document)"


class TomlError(ValueError):
    """The text is not TOML; `line` says where."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


def read_toml(text: str) -> dict[str, Any]:
    """What the text says. Raises TomlError."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        if found := _AT_LINE.search(message):
            raise TomlError(message[: found.start()], int(found[1])) from error
        last_line = text.rstrip().count("\n") + 1
        raise TomlError(message.removesuffix(_AT_END), last_line) from error
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, or arrays in arrays without end.
        raise TomlError("a value is too large to be read", 1) from error


@frozen
class TomlLines:
    """The line of each table of an array of tables, and of each key in it."""

    tables: tuple[int, ...]
    keys: Mapping[tuple[int, str], int]

    @classmethod
    def of(cls, text: str, array: str) -> "TomlLines":
        """Those of the tables `[[array]]` in a sound TOML text."""
        tables: list[int] = []
        keys: dict[tuple[int, str], int] = {}
        for line, statement in _statements(text):
            begun: list[Any] | dict[str, Any] | None = statement.get(array)
            if begun is not None:
                keys.setdefault((-1, array), line)
            if isinstance(begun, list):
                tables += [line] * len(begun)
                continue
            # A table [array.x] is a key of the table before it.
            for key in begun if isinstance(begun, dict) else statement:
                keys.setdefault((len(tables) - 1, key), line)
        return cls(tuple(tables), keys)

    def of_key(self, table: int, key: str) -> int:
        """The line of a key; of its table if it has none, and the first for table -1."""
        return self.keys.get((table, key), self.tables[table] if table >= 0 else 1)


def _statements(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each statement of the text, and the line it begins on."""
    pending, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        pending += line + "\n"
        try:
            statement = tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue  # It goes on in the next line.
        yield first, statement
        pending, first = "", number + 1
