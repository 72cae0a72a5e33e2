"""What to do with the texts of a request: one frozen value, decided once per request."""

from attrs import frozen

from .keep_ratio import KEEP_ALL, KeepRatio

ENDPOINTS = ("chat", "responses", "completions")
"""The endpoints whose bodies hold text that may be compressed."""

MIB = 1024 * 1024


@frozen
class CompressionPolicy:
    """Which texts are compressed, how far and how."""

    keep_ratio: KeepRatio = KEEP_ALL
    strategy: str = "uniform"
    protect: frozenset[str] = frozenset()
    """Kinds of spans that are never removed: code, json, urls, numbers, quotes, tags."""
    salt: bytes = b""
    """Makes the choice of tokens unlike everyone else's."""
    endpoints: frozenset[str] = frozenset({"chat"})
    roles: frozenset[str] = frozenset({"user"})
    min_tokens: int = 0
    """Texts of fewer tokens pass untouched."""
    max_text_bytes: int = MIB
    """Texts of more bytes in UTF-8 pass untouched."""

    @property
    def compresses(self) -> bool:
        """Whether any request at all may be changed."""
        return self.keep_ratio.compresses and bool(self.endpoints)

    def covers(self, endpoint: str | None) -> bool:
        """Whether bodies sent to `endpoint` may be changed."""
        return self.keep_ratio.compresses and endpoint in self.endpoints
