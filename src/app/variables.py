"""How a field of the settings stands for an environment variable, and how its value is written."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, cast

from attrs import field, frozen

from .readers import Reader, shown


@frozen
class Variable:
    """An environment variable: its name, what it may hold, and what it means."""

    name: str
    default: str
    allowed: str
    meaning: str
    reader: Reader

    def problem_with(self, text: str) -> str:
        """What is said of a `text` that cannot be read."""
        given = "the value" if self.reader.is_secret else shown(text)
        return f"{self.name}: {given} is not valid; it must be {self.allowed}"


def setting(
    default: Any,
    reader: Reader,
    *,
    meaning: str,
    allowed: str | None = None,
    shown_default: str | None = None,
) -> Any:
    """A field that is read from the variable of its name; `metadata` is all of it but the name."""
    return field(
        default=default,
        metadata={
            "default": shown_default or as_text(default) or "unset",
            "allowed": allowed or reader.allowed,
            "meaning": meaning,
            "reader": reader,
        },
    )


def as_text(value: object) -> str:
    """A setting as its variable would hold it; empty if it is unset. Secrets stay hidden."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Fraction):
        return f"{float(value):g}"
    if isinstance(value, tuple | frozenset):
        return ",".join(sorted(map(str, cast("Iterable[object]", value))))
    return "" if value is None else str(value)
