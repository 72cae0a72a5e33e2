"""What is compressed and how: the settings, the rules file and the operator's own strategies."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from attrs import evolve

from ..adapters.compression.strategy_loader import load_strategy
from ..domain.compression.strategies import BUILT_IN, Strategy
from ..domain.control.policy import CompressionPolicy
from ..domain.control.request_control import ControlLimits
from ..domain.control.rules import Rules
from ..domain.control.rules_file import InvalidRules, parse_rules
from .settings import InvalidSettings, Settings


def load_policy(settings: Settings) -> CompressionPolicy:
    """The policy for all requests. Raises InvalidSettings with a line for each problem."""
    policy = evolve(settings.policy, strategy=_strategy(settings.compression_strategy))
    if settings.compression_rules is None:
        return policy
    return evolve(policy, rules=_rules(settings.compression_rules, policy))


def control_limits(settings: Settings, policy: CompressionPolicy) -> ControlLimits:
    """What requests may ask for: of strategies, the built-in ones and those the operator named."""
    return ControlLimits(
        allowed=settings.compression_request_overrides == "allow",
        floor=settings.compression_floor,
        strategies=strategies_of(policy),
    )


def strategies_of(policy: CompressionPolicy) -> Mapping[str, Strategy]:
    """All strategies that a policy knows, by name."""
    named = [policy.strategy, *(rule.then.strategy for rule in policy.rules.rules)]
    own = [strategy for strategy in named if not isinstance(strategy, str | None)]
    return {**{strategy.name: strategy for strategy in own}, **BUILT_IN}


def read_rules(path: str, policy: CompressionPolicy) -> Rules:
    """The rules in a file, for requests under `policy`. Raises InvalidRules."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidRules([f"{path}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InvalidRules([f"{path}:{line}: not UTF-8"]) from error
    return parse_rules(
        text,
        source=path,
        endpoints=policy.endpoints,
        roles=policy.roles,
        strategy_for=load_strategy,
    )


def compression_problems(environment: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the files and modules that the environment names, whatever else is."""
    if name := environment.get("COMPRESSION_STRATEGY", "").strip():
        yield from _problems(lambda: _strategy(name))
    if path := environment.get("COMPRESSION_RULES", "").strip():
        yield from _problems(lambda: _rules(path, CompressionPolicy()))


def _problems(load: Callable[[], object]) -> Iterable[str]:
    try:
        load()
    except InvalidSettings as invalid:
        return invalid.problems
    return ()


def _strategy(name: str) -> Strategy:
    try:
        return load_strategy(name)
    except ValueError as error:
        raise InvalidSettings([f"COMPRESSION_STRATEGY: {error}"]) from error


def _rules(path: str, policy: CompressionPolicy) -> Rules:
    try:
        return read_rules(path, policy)
    except InvalidRules as invalid:
        problems = (f"COMPRESSION_RULES: {problem}" for problem in invalid.problems)
        raise InvalidSettings(problems) from invalid
