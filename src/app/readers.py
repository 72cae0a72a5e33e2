"""How the text of an environment variable is read. Each raises ValueError if it does not fit."""

import math
import re
from collections.abc import Callable
from fractions import Fraction
from ipaddress import ip_address
from urllib.parse import urlsplit

_DECIMAL = re.compile(r"[01](\.\d{0,30})?|\.\d{1,30}", re.ASCII)
_WHOLE = re.compile(r"\d{1,15}", re.ASCII)
_CREDENTIALS = re.compile(r"//.*@", re.DOTALL)
_LONGEST_SHOWN = 80
_VISIBLE = re.compile(r"[\x21-\x7e]+")


def text(value: str) -> str:
    """Any text without control characters."""
    if not value.isprintable():
        raise ValueError
    return value


def visible_ascii(value: str) -> str:
    """A text that may stand in a header field."""
    if not _VISIBLE.fullmatch(value):
        raise ValueError
    return value


def whole_number(*, at_least: int, at_most: int | None = None) -> Callable[[str], int]:
    """A whole number in decimal digits."""

    def read(value: str) -> int:
        if not _WHOLE.fullmatch(value):
            raise ValueError
        number = int(value)
        if number < at_least or (at_most is not None and number > at_most):
            raise ValueError
        return number

    return read


def seconds(value: str) -> float:
    """A finite number of seconds above zero."""
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError
    return number


def seconds_or_none(value: str) -> float:
    """As `seconds`, or zero."""
    return 0.0 if float(value) == 0 else seconds(value)


def share(value: str) -> Fraction:
    """A number from 0 to 1, as it is written."""
    if not _DECIMAL.fullmatch(value):
        raise ValueError
    number = Fraction(value)
    if number > 1:
        raise ValueError
    return number


def flag(value: str) -> bool:
    """True or false, in the usual spellings."""
    spellings = {"true": True, "1": True, "yes": True, "on": True}
    spellings |= {"false": False, "0": False, "no": False, "off": False}
    try:
        return spellings[value.lower()]
    except KeyError:
        raise ValueError from None


def choice(*options: str) -> Callable[[str], str]:
    """One of `options`, in any case."""

    def read(value: str) -> str:
        if value.lower() not in options:
            raise ValueError
        return value.lower()

    return read


def choices(*options: str, or_none: bool = False) -> Callable[[str], frozenset[str]]:
    """Some of `options`, separated by commas; `or_none` allows the word `none` for none of them."""

    def read(value: str) -> frozenset[str]:
        if or_none and value.lower() == "none":
            return frozenset()
        chosen = frozenset(part.strip().lower() for part in value.split(","))
        if not chosen <= set(options):
            raise ValueError
        return chosen

    return read


def base_url(value: str) -> str:
    """An http or https URL without credentials, query or fragment; a slash at its end is dropped."""
    parts = urlsplit(value)
    _ = parts.port  # Raises ValueError if out of range.
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or "@" in parts.netloc
        or "?" in value
        or "#" in value
        or not _VISIBLE.fullmatch(value)
    ):
        raise ValueError
    return value.rstrip("/")


def names_this_machine(host: str, listening_on: str) -> bool:
    """Whether `host` is the very address that a server on `listening_on` answers at."""
    if host in ("localhost", listening_on):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def shown(value: str) -> str:
    """`value` as it may stand in a message: short, in quotes, on one line, no credentials."""
    value = _CREDENTIALS.sub("//***@", value)
    return repr(value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}...")
