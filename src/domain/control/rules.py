"""Which of an operator's rules takes a text, and what it says about it.

Rules are ordered, and the first whose conditions all hold wins. They may ask
about the text, about what its request is, and about the turn it stands in,
counted from the start of the conversation. They cannot ask how far it is from
the end: then each turn would change the bytes of those before it, and the
provider's prompt cache would be lost.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from attrs import field, frozen

from ..compression.keep_ratio import KeepRatio
from ..compression.strategies import Strategy


@frozen
class TextFacts:
    """What a rule may ask about a text."""

    endpoint: str
    model: str
    """As the request names it; empty if it names none."""
    role: str
    turn: int
    """How many messages of users there are up to this text, its own included."""
    tokens: int = 0
    """Counted only for rules that ask for it."""


@frozen
class Bounds:
    """Whole numbers from `least` to `most`, both included."""

    least: int = 0
    most: int | None = None

    def __contains__(self, number: int) -> bool:
        return self.least <= number and (self.most is None or number <= self.most)

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {self.least}"
        return f"{self.least} to {self.most}" if self.least else f"at most {self.most}"


ANY_NUMBER = Bounds()


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


@frozen
class Condition:
    """Which texts a rule takes: those for which all of this holds."""

    endpoints: tuple[str, ...] = field(converter=_sorted)
    roles: tuple[str, ...] = field(converter=_sorted)
    models: tuple[str, ...] = ()
    """Patterns in which `*` stands for anything, in any case; none means any model."""
    turns: Bounds = ANY_NUMBER
    tokens: Bounds = ANY_NUMBER

    def why_not(self, text: TextFacts) -> str | None:
        """The first reason why this does not hold for `text`; None if it holds."""
        if text.endpoint not in self.endpoints:
            return f"the endpoint is {text.endpoint}, not {_either(self.endpoints)}"
        if text.role not in self.roles:
            return f"the role is {text.role}, not {_either(self.roles)}"
        if self.models and not _matches_any(text.model, self.models):
            return f"the model is {text.model or 'not named'}, not {_either(self.models)}"
        if text.turn not in self.turns:
            return f"the turn is {text.turn}, not {self.turns}"
        if text.tokens not in self.tokens:
            return f"the text has {text.tokens} tokens, not {self.tokens}"
        return None

    def __str__(self) -> str:
        parts = [f"endpoint {_either(self.endpoints)}", f"role {_either(self.roles)}"]
        if self.models:
            parts.append(f"model {_either(self.models)}")
        if self.turns != ANY_NUMBER:
            parts.append(f"turn {self.turns}")
        if self.tokens != ANY_NUMBER:
            parts.append(f"tokens {self.tokens}")
        return ", ".join(parts)


@frozen
class Instruction:
    """What a rule says about the texts it takes; None where it says nothing."""

    compress: bool = True
    """If not, they are left alone, whatever a request asks for."""
    keep_ratio: KeepRatio | None = None
    target_tokens: int | None = None
    """Compress as much as needed to come down to so many tokens, and no more."""
    strategy: str | Strategy | None = None
    protect: frozenset[str] | None = None

    def __str__(self) -> str:
        if not self.compress:
            return "leave it alone"
        parts = [self._how_much]
        if self.strategy is not None:
            name = self.strategy if isinstance(self.strategy, str) else self.strategy.name
            parts.append(f"strategy {name}")
        if self.protect is not None:
            parts.append(f"protect {', '.join(sorted(self.protect)) or 'nothing'}")
        return ", ".join(parts)

    @property
    def _how_much(self) -> str:
        if self.target_tokens is not None:
            return f"fit it into at most {self.target_tokens} tokens"
        if self.keep_ratio is None:
            return "keep as much as the settings say"
        if not self.keep_ratio.compresses:
            return "keep all of its tokens"
        return f"keep {float(self.keep_ratio.share):.4g} of its tokens"


SAYS_NOTHING = Instruction()


@frozen
class Rule:
    """One rule of an operator's."""

    name: str
    when: Condition
    then: Instruction

    def __str__(self) -> str:
        return f"{self.name}: {self.when}: {self.then}"


@frozen
class Rules:
    """An operator's rules, in order."""

    rules: tuple[Rule, ...] = ()

    @property
    def ask_for_tokens(self) -> bool:
        """Whether texts must be counted before their rule is known."""
        return any(rule.when.tokens != ANY_NUMBER for rule in self.rules)

    def first_match(self, text: TextFacts) -> Rule | None:
        """The rule that takes `text`."""
        return next((rule for rule in self.rules if rule.when.why_not(text) is None), None)

    def at(self, endpoint: str) -> Iterator[Rule]:
        """The rules that may take texts of `endpoint`."""
        return (rule for rule in self.rules if endpoint in rule.when.endpoints)

    def roles_at(self, endpoint: str) -> frozenset[str]:
        """The roles whose texts they may take."""
        return frozenset(role for rule in self.at(endpoint) for role in rule.when.roles)


def _matches_any(model: str, patterns: Iterable[str]) -> bool:
    name = model.lower()
    return any(fnmatchcase(name, pattern.lower()) for pattern in patterns)


def _either(names: Iterable[str]) -> str:
    return " or ".join(names) or "any"
