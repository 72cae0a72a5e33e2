"""What a request asks of compression in its own header fields, within the operator's limits.

    X-Compression           off, on or shadow
    X-Compression-Ratio     as COMPRESSION_RATIO
    X-Tokens-To-Keep-Ratio  as TOKENS_TO_KEEP_RATIO
    X-Compression-Strategy  the name of a strategy that the operator offers

The two ratios resolve together, and replace those of rules and settings as a
pair. Which texts are compressed is not a request's to say.
"""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from attrs import evolve, frozen

from ..compression.keep_ratio import InvalidRatio, KeepRatio, RatioNames, resolve_keep_ratio
from ..compression.strategies import BUILT_IN, Strategy
from ..errors import BadRequest
from ..http.request_head import RequestHead
from .policy import CompressionPolicy, Mode, RequestOverrides

_MODE = "X-Compression"
_RATIO = "X-Compression-Ratio"
_KEEP = "X-Tokens-To-Keep-Ratio"
_STRATEGY = "X-Compression-Strategy"

_FIELDS: Final[Mapping[bytes, str]] = MappingProxyType(
    {name.lower().encode(): name for name in (_MODE, _RATIO, _KEEP, _STRATEGY)}
)
_MODES: Final[Mapping[str, Mode]] = MappingProxyType({"off": "off", "on": "on", "shadow": "shadow"})
_LONGEST_SHOWN = 64


@frozen
class ControlLimits:
    """How much of compression the operator leaves to requests."""

    allowed: bool = True
    floor: Fraction = Fraction(0)
    """The smallest keep ratio that a request may ask for."""
    strategies: Mapping[str, Strategy] = BUILT_IN
    """Those a request may choose from, by name."""


def controlled_policy(
    policy: CompressionPolicy, head: RequestHead, limits: ControlLimits
) -> CompressionPolicy:
    """`policy` with what the request asks for in place of what it says.

    Raises BadRequest for a field that is denied, repeated, out of range or below the floor.
    """
    if head.first_values.keys().isdisjoint(_FIELDS):
        return policy
    asked = _fields_of(head)
    if not limits.allowed:
        name = next(iter(asked))
        raise _refusal(name, asked[name], "is denied here; requests must come without it")
    return evolve(
        policy,
        mode=_MODES[_choice(_MODE, asked[_MODE], _MODES)] if _MODE in asked else policy.mode,
        overrides=RequestOverrides(
            keep_ratio=_keep_ratio(asked.get(_RATIO), asked.get(_KEEP), limits.floor),
            strategy=_strategy(asked.get(_STRATEGY), limits.strategies),
        ),
    )


def _fields_of(head: RequestHead) -> dict[str, str]:
    asked: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        if name := _FIELDS.get(raw_name):
            value = raw_value.decode("latin-1").strip()
            if name in asked:
                raise _refusal(name, value, "is a second value; it must be sent once")
            asked[name] = value
    return asked


def _keep_ratio(ratio: str | None, keep: str | None, floor: Fraction) -> KeepRatio | None:
    if ratio is None and keep is None:
        return None
    for name, value in ((_RATIO, ratio), (_KEEP, keep)):
        if value == "":
            raise _refusal(name, value, "is empty; it must be a number")
    try:
        wanted = resolve_keep_ratio(ratio, keep, names=RatioNames(_RATIO, _KEEP))
    except InvalidRatio as invalid:
        raise BadRequest(f"{invalid}.", param=invalid.name) from invalid
    if wanted.share < floor:
        name, value = (_RATIO, ratio) if keep is None else (_KEEP, keep)
        range_ = f"the keep ratio must be at least {float(floor):g} (COMPRESSION_FLOOR)"
        raise _refusal(name, value or "", f"keeps too little; {range_}")
    return wanted


def _strategy(name: str | None, strategies: Mapping[str, Strategy]) -> Strategy | None:
    return None if name is None else strategies[_choice(_STRATEGY, name, strategies)]


def _choice(name: str, value: str, choices: Mapping[str, object]) -> str:
    if value.lower() in choices:
        return value.lower()
    if value in choices:
        return value
    *others, last = choices
    allowed = f"{', '.join(others)} or {last}"
    raise _refusal(name, value, f"is not valid; it must be {allowed}")


def _refusal(name: str, value: str, why: str) -> BadRequest:
    shown = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}..."
    return BadRequest(f"{name}: {shown!a} {why}.", param=name)
