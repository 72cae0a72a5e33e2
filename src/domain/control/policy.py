"""What to do with the texts of a request: one frozen value, decided once per request.

Three layers speak to it, and whoever speaks first wins: the request itself,
the rule that takes the text, the settings.
"""

from functools import cached_property
from typing import Literal

from attrs import frozen

from ..compression.keep_ratio import KEEP_ALL, KeepRatio
from ..compression.strategies import Strategy
from .rules import SAYS_NOTHING, Instruction, Rules, TextFacts

ENDPOINTS = ("chat", "responses", "completions")
"""The endpoints whose bodies hold text that may be compressed."""

ROLES = ("user", "system", "developer", "assistant", "tool", "function")
"""The roles whose messages may be compressed."""

MIB = 1024 * 1024

Mode = Literal["on", "off", "shadow"]
"""Whether to compress; in shadow all is computed and recorded, and the original sent."""


@frozen
class Treatment:
    """What is to be done to one text."""

    keep_ratio: KeepRatio
    target_tokens: int | None
    """To fit it into; the keep ratio says nothing then."""
    strategy: str | Strategy
    protect: frozenset[str]


@frozen
class RequestOverrides:
    """What a request itself asks for; None where it says nothing."""

    keep_ratio: KeepRatio | None = None
    strategy: Strategy | None = None
    protect: frozenset[str] | None = None


@frozen
class CompressionPolicy:
    """Which texts are compressed, how far and how."""

    keep_ratio: KeepRatio = KEEP_ALL
    strategy: str | Strategy = "uniform"
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
    mode: Mode = "on"
    rules: Rules = Rules()
    overrides: RequestOverrides = RequestOverrides()

    @property
    def compresses(self) -> bool:
        """Whether any request at all may be changed."""
        return bool(self.compressed_endpoints)

    @cached_property
    def compressed_endpoints(self) -> frozenset[str]:
        """Where bodies go whose texts may be compressed."""
        if self.mode == "off":
            return frozenset()
        return frozenset(filter(self._may_compress_at, ENDPOINTS))

    @property
    def wanted_keep_ratio(self) -> KeepRatio:
        """How much to keep where no rule says otherwise."""
        return self.overrides.keep_ratio or self.keep_ratio

    def covers(self, endpoint: str | None) -> bool:
        """Whether texts of bodies sent to `endpoint` may be compressed."""
        return endpoint in self.compressed_endpoints

    def roles_at(self, endpoint: str) -> frozenset[str]:
        """Whose texts may be compressed in bodies sent to `endpoint`."""
        chosen = self.roles if endpoint in self.endpoints else frozenset[str]()
        return chosen | self.rules.roles_at(endpoint)

    def chooses(self, text: TextFacts) -> bool:
        """Whether `text` is to be compressed where no rule takes it."""
        return text.endpoint in self.endpoints and text.role in self.roles

    def treatment(self, instruction: Instruction = SAYS_NOTHING) -> Treatment:
        """What to do with a text that a rule says `instruction` about."""
        asked = self.overrides
        protections = (asked.protect, instruction.protect, self.protect)
        return Treatment(
            keep_ratio=asked.keep_ratio or instruction.keep_ratio or self.keep_ratio,
            target_tokens=instruction.target_tokens if asked.keep_ratio is None else None,
            strategy=asked.strategy or instruction.strategy or self.strategy,
            protect=next(kinds for kinds in protections if kinds is not None),
        )

    def _may_compress_at(self, endpoint: str) -> bool:
        if endpoint in self.endpoints and self._may_shrink(SAYS_NOTHING):
            return True
        return any(self._may_shrink(rule.then) for rule in self.rules.at(endpoint))

    def _may_shrink(self, instruction: Instruction) -> bool:
        asked = self.overrides.keep_ratio
        if asked is None and instruction.target_tokens is not None:
            return instruction.compress
        keep_ratio = asked or instruction.keep_ratio or self.keep_ratio
        return instruction.compress and keep_ratio.compresses
