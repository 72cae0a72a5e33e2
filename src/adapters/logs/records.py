"""What log entries tell of a request, however they are spelt afterwards."""

import hashlib
import time
from functools import lru_cache
from typing import Self

from attrs import frozen

from ...domain.bodies.compressed_body import CompressedBody
from ...domain.bodies.compressed_frames import CompressedFrames
from ...domain.ports import RelayedRequest


@frozen
class RecordedCompression:
    """What was removed from a body, and when that was recorded."""

    at: float
    """Seconds since the epoch."""
    request_id: str
    compressed: CompressedBody


Record = RelayedRequest | RecordedCompression

_MAX_NAME = 1024
"""A line stays shorter than a pipe takes in one piece, however long a path or a model's name."""


@frozen
class Totals:
    """Tokens of several texts together."""

    tokens_before: int
    tokens_billed: int

    @property
    def removed(self) -> int:
        """How many tokens fewer are billed."""
        return self.tokens_before - self.tokens_billed

    @property
    def removed_percent(self) -> float:
        """Their share of what was there before."""
        return 100 * self.removed / self.tokens_before if self.tokens_before else 0.0

    @property
    def billed_ratio(self) -> float:
        """The keep ratio that came about, as it is billed."""
        return self.tokens_billed / self.tokens_before if self.tokens_before else 1.0

    @classmethod
    def of(cls, compressed: CompressedBody | CompressedFrames) -> Self:
        """Those of all texts together."""
        return cls(compressed.tokens_before, compressed.tokens_billed)


def path_of(request: RelayedRequest) -> str:
    """The path without a query, whatever was handed over: a query may hold a key."""
    return clipped(request.path.partition("?")[0])


def clipped(name: str) -> str:
    """A caller's name for something, as far as a line has room for it."""
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}..."


def digest(text: str) -> str:
    """What stands for a text that must not be shown."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def entries_dropped(count: int) -> str:
    """What is said where entries are missing."""
    return "1 entry was dropped" if count == 1 else f"{count} entries were dropped"


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 has it.

    >>> timestamp(0.25)
    '1970-01-01T00:00:00.250Z'
    """
    whole, part = divmod(seconds, 1)
    return f"{_to_the_second(whole)}.{int(part * 1000):03d}Z"


@lru_cache(maxsize=8)
def _to_the_second(seconds: float) -> str:
    # Lines of the same second follow one another, and this is the dearest part of one.
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
