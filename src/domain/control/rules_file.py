"""How rules are read from a TOML file, with every problem named and the line it stands on.

    [[rule]]
    name = "long questions"      # for logs and explanations; else its number
    endpoint = "chat"            # conditions, all of which must hold; a list means any of it
    model = ["gpt-4*", "o3*"]
    role = "user"
    min_tokens = 2000            # likewise max_tokens, min_turn and max_turn
    tokens_to_keep_ratio = 0.5   # or compression_ratio, target_tokens, compress = false
    strategy = "weighted"
    protect = ["numbers"]

The first rule whose conditions hold takes a text.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from attrs import define, field

from ..compression.keep_ratio import InvalidRatio, KeepRatio, RatioNames, resolve_keep_ratio
from ..compression.strategies import Strategy, strategy_named
from ..protection.protections import PROTECTIONS
from .policy import ENDPOINTS, ROLES
from .rules import Bounds, Condition, Instruction, Rule, Rules
from .toml_lines import TomlError, TomlLines, read_toml

StrategyLoader = Callable[[str], Strategy]
"""From a name or a dotted path to a strategy; raises a ValueError that says why not."""

HOW_MUCH = ("compression_ratio", "tokens_to_keep_ratio", "target_tokens")
WHAT_TO_DO = ("compress", *HOW_MUCH, "strategy", "protect")

_RATIO_NAMES = RatioNames("compression_ratio", "tokens_to_keep_ratio")
_LONGEST_SHOWN = 80


class InvalidRules(ValueError):
    """Some rules are not valid; `problems` holds a line for each reason."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def parse_rules(
    text: str,
    *,
    source: str,
    endpoints: Iterable[str] = ("chat",),
    roles: Iterable[str] = ("user",),
    strategy_for: StrategyLoader = strategy_named,
) -> Rules:
    """The rules in a file's text; one that names no endpoint or role is about those given.

    Raises InvalidRules with a line `source:line: reason` for every problem.
    """
    try:
        document = read_toml(text)
    except TomlError as error:
        raise InvalidRules([f"{source}:{error.line}: {error}"]) from error
    lines = TomlLines.of(text, "rule")
    problems = list(_problems_outside(document, lines))
    rules: list[Rule] = []
    for index, table in enumerate(_tables(document)):
        reader = _RuleReader(table, strategy_for)
        rules.append(reader.read(f"{index + 1}", endpoints, roles))
        problems += [(lines.of_key(index, key), reason) for key, reason in reader.problems]
    if problems:
        raise InvalidRules(f"{source}:{line}: {reason}" for line, reason in sorted(problems))
    return Rules(tuple(rules))


def _tables(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    tables = document.get("rule")
    listed = cast("list[object]", tables) if isinstance(tables, list) else []
    return [cast("dict[str, Any]", table) for table in listed if isinstance(table, dict)]


def _problems_outside(document: Mapping[str, Any], lines: TomlLines) -> Iterator[tuple[int, str]]:
    for key, value in document.items():
        if key != "rule":
            yield lines.of_key(-1, key), f"{key}: only tables [[rule]] are known here"
        elif _tables(document) != value:
            yield lines.of_key(-1, key), "rule: each must be a table of its own, under [[rule]]"


@define
class _RuleReader:
    """One table of the file, and what is wrong with it, by key."""

    table: Mapping[str, Any]
    strategy_for: StrategyLoader
    problems: list[tuple[str, str]] = field(factory=list[tuple[str, str]])

    def read(self, number: str, endpoints: Iterable[str], roles: Iterable[str]) -> Rule:
        """The rule, as far as it can be read."""
        values = dict(self._values())
        self._check_what_to_do()
        return Rule(
            name=values.get("name", number),
            when=Condition(
                endpoints=values.get("endpoint", endpoints),
                roles=values.get("role", roles),
                models=values.get("model", ()),
                turns=self._bounds(values, "min_turn", "max_turn"),
                tokens=self._bounds(values, "min_tokens", "max_tokens"),
            ),
            then=Instruction(
                compress=values.get("compress", True),
                keep_ratio=self._keep_ratio(values),
                target_tokens=values.get("target_tokens"),
                strategy=self._strategy(values.get("strategy")),
                protect=frozenset(values["protect"]) if "protect" in values else None,
            ),
        )

    def _values(self) -> Iterator[tuple[str, Any]]:
        for key, value in self.table.items():
            read = _READERS.get(key)
            if read is None:
                near = difflib.get_close_matches(key, _READERS, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_READERS)}"
                self._complain(key, f"no such key; {hint}")
                continue
            try:
                yield key, read(value)
            except _NotAllowed as problem:
                self._complain(key, f"{_shown(value)} is not valid; it must be {problem}")

    def _bounds(self, values: Mapping[str, int], least: str, most: str) -> Bounds:
        bounds = Bounds(values.get(least, 0), values.get(most))
        if bounds.most is not None and bounds.most < bounds.least:
            self._complain(most, f"{bounds.most} is below {least}, which is {bounds.least}")
        return bounds

    def _keep_ratio(self, values: Mapping[str, float]) -> KeepRatio | None:
        ratio, keep = values.get("compression_ratio"), values.get("tokens_to_keep_ratio")
        if ratio is None and keep is None:
            return None
        try:
            return resolve_keep_ratio(ratio, keep, names=_RATIO_NAMES)
        except InvalidRatio as invalid:
            self.problems.append((invalid.name, str(invalid)))
            return None

    def _strategy(self, name: str | None) -> Strategy | None:
        if name is None:
            return None
        try:
            return self.strategy_for(name)
        except ValueError as reason:
            self._complain("strategy", str(reason).removeprefix("strategy: "))
            return None

    def _check_what_to_do(self) -> None:
        said = [key for key in WHAT_TO_DO if key in self.table]
        ratios = [key for key in HOW_MUCH[:2] if key in self.table]
        if not said:
            self.problems.append(
                ("", f"the rule says nothing; give one of {', '.join(WHAT_TO_DO)}")
            )
        if self.table.get("compress") is False and said[1:]:
            self._complain(said[1], "cannot stand beside compress = false")
        elif ratios and "target_tokens" in self.table:
            self._complain("target_tokens", f"cannot stand beside {ratios[0]}")

    def _complain(self, key: str, reason: str) -> None:
        self.problems.append((key, f"{key}: {reason}"))


def _shown(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."


class _NotAllowed(ValueError):
    """A value of the wrong kind; the message says what it must be."""


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise _NotAllowed("a text on one line")
    return value


def _texts(value: object) -> tuple[str, ...]:
    values = _listed(value)
    if not values:
        raise _NotAllowed("one text or more")
    return tuple(map(_text, values))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _NotAllowed("a number")
    return value


def _whole_number(at_least: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
            raise _NotAllowed(f"a whole number of at least {at_least}")
        return value

    return read


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise _NotAllowed("true or false")
    return value


def _any_of(*names: str, or_none: bool = False) -> Callable[[object], tuple[str, ...]]:
    def read(value: object) -> tuple[str, ...]:
        values = _listed(value)
        known = tuple(item for item in values if isinstance(item, str) and item in names)
        if not (values or or_none) or len(known) < len(values):
            raise _NotAllowed(f"any of {', '.join(names)}")
        return known

    return read


def _listed(value: object) -> list[object]:
    return list(cast("Iterable[object]", value)) if isinstance(value, list) else [value]


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "name": _text,
        "endpoint": _any_of(*ENDPOINTS),
        "model": _texts,
        "role": _any_of(*ROLES),
        "min_turn": _whole_number(0),
        "max_turn": _whole_number(0),
        "min_tokens": _whole_number(0),
        "max_tokens": _whole_number(0),
        "compress": _truth,
        "compression_ratio": _number,
        "tokens_to_keep_ratio": _number,
        "target_tokens": _whole_number(1),
        "strategy": _text,
        "protect": _any_of(*PROTECTIONS, or_none=True),
    }
)
