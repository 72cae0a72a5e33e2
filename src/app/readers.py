"""How the text of an environment variable is read, and what it may be, in words."""

import math
import re
from collections.abc import Callable
from fractions import Fraction
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import field, frozen

from ..domain.compression.keep_ratio import (
    COMPRESSION_RATIO_RANGE,
    TOKENS_TO_KEEP_RATIO_RANGE,
    KeepRatio,
)

_DECIMAL = re.compile(r"[01](\.\d{0,30})?|\.\d{1,30}", re.ASCII)
_WHOLE = re.compile(r"\d{1,15}", re.ASCII)
_CREDENTIALS = re.compile(r"//.*@", re.DOTALL)
_LONGEST_SHOWN = 80
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")


@frozen
class Secret:
    """A text that is never shown, neither by `repr` nor by `str`; an empty one shows as empty."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "********" if self.value else ""


@frozen
class Reader:
    """Makes a value of a text. Raises ValueError if the text is not what is `allowed`."""

    allowed: str
    _read: Callable[[str], Any]
    is_secret: bool = False

    def __call__(self, text: str) -> Any:
        return self._read(text)


def text(allowed: str) -> Reader:
    """Any text without control characters; `allowed` says what it is to name."""
    return Reader(allowed, _printable)


def whole_number(*, at_least: int, at_most: int | None = None) -> Reader:
    """A whole number in decimal digits."""

    def read(value: str) -> int:
        if not _WHOLE.fullmatch(value):
            raise ValueError
        number = int(value)
        if number < at_least or (at_most is not None and number > at_most):
            raise ValueError
        return number

    span = f"of at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
    return Reader(f"a whole number {span}", read)


def choice(*options: str) -> Reader:
    """One of `options`, in any case."""

    def read(value: str) -> str:
        if value.lower() not in options:
            raise ValueError
        return value.lower()

    return Reader(f"{', '.join(options[:-1])} or {options[-1]}", read)


def package(required: str, optional: str, *, extra: str) -> Reader:
    """One of two packages, of which an extra brings the second; in any case."""

    def read(value: str) -> str:
        name = value.lower()
        if name not in (required, optional) or find_spec(name) is None:
            raise ValueError
        return name

    return Reader(f"{required}, or {optional} if the extra {extra} is installed", read)


def choices(*options: str, or_none: bool = False) -> Reader:
    """Some of `options`, separated by commas; `or_none` allows the word `none` for none of them."""

    def read(value: str) -> frozenset[str]:
        if or_none and value.lower() == "none":
            return frozenset()
        chosen = frozenset(part.strip().lower() for part in value.split(","))
        if not chosen <= set(options):
            raise ValueError
        return chosen

    return Reader(f"any of {','.join(options)}{', or none' * or_none}", read)


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError
    return value


def _key(value: str) -> Secret:
    # It is to stand in a header field.
    if not _VISIBLE.fullmatch(value):
        raise ValueError
    return Secret(value)


def _keys(value: str) -> tuple[Secret, ...]:
    return tuple(_key(part) for part in re.split(r"[,\s]+", value) if part)


def _compression_ratio(value: str) -> str:
    KeepRatio.from_compression_ratio(value)
    return value


def _tokens_to_keep_ratio(value: str) -> str:
    KeepRatio.from_tokens_to_keep_ratio(value)
    return value


def _seconds(value: str) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError
    return number


def _share(value: str) -> Fraction:
    """A number from 0 to 1, as it is written."""
    if not _DECIMAL.fullmatch(value):
        raise ValueError
    number = Fraction(value)
    if number > 1:
        raise ValueError
    return number


def _flag(value: str) -> bool:
    if value.lower() not in (*_TRUE, *_FALSE):
        raise ValueError
    return value.lower() in _TRUE


def _base_url(value: str) -> str:
    """A slash at its end is dropped."""
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


KEY: Final = Reader("one key of visible ASCII characters", _key, is_secret=True)
KEYS: Final = Reader(
    "keys of visible ASCII characters, separated by commas or white space", _keys, is_secret=True
)
SECRET: Final = Reader("any text", Secret, is_secret=True)
COMPRESSION_RATIO: Final = Reader(COMPRESSION_RATIO_RANGE, _compression_ratio)
TOKENS_TO_KEEP_RATIO: Final = Reader(TOKENS_TO_KEEP_RATIO_RANGE, _tokens_to_keep_ratio)
SECONDS: Final = Reader("a number of seconds above 0", _seconds)
SECONDS_OR_NONE: Final = Reader(
    "a number of seconds, 0 for off", lambda text: 0.0 if float(text) == 0 else _seconds(text)
)
SHARE: Final = Reader("a number from 0 to 1", _share)
FLAG: Final = Reader("true or false", _flag)
BASE_URL: Final = Reader("an http or https URL without credentials, query or fragment", _base_url)


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
