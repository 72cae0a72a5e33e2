"""Which ways of making texts shorter are compared, and at which keep ratios."""

from collections.abc import Iterable
from itertools import product
from typing import Final, Protocol, Self

from attrs import frozen

from ..compression.keep_ratio import KEEP_ALL, KeepRatio, Number
from ..compression.strategies import Strategy, strategy_named
from ..compression.text import CompressedText, compress_text
from ..compression.tokenizer import Tokenizer
from .baselines import BASELINES, thin_whole


class Method(Protocol):
    """One way to make texts shorter."""

    @property
    def name(self) -> str: ...

    def thin(self, text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer) -> CompressedText: ...


@frozen
class Removal:
    """What the product does."""

    strategy: Strategy
    protect: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return "+".join([self.strategy.name, *sorted(self.protect)])

    def thin(self, text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer) -> CompressedText:
        return compress_text(
            text, keep_ratio, tokenizer, strategy=self.strategy, protect=self.protect
        )


@frozen
class Baseline:
    """What the product is compared with."""

    order: Strategy

    @property
    def name(self) -> str:
        return self.order.name

    def thin(self, text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer) -> CompressedText:
        return thin_whole(text, keep_ratio, tokenizer, self.order)


@frozen
class Original:
    """Nothing at all, to compare everything with."""

    name: str = "original"

    def thin(self, text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer) -> CompressedText:
        return compress_text(text, keep_ratio, tokenizer)


@frozen
class Trial:
    """One method at one keep ratio."""

    method: Method
    keep_ratio: KeepRatio

    def thin(self, text: str, tokenizer: Tokenizer) -> CompressedText:
        """What the trial makes of `text`."""
        return self.method.thin(text, self.keep_ratio, tokenizer)


THE_ORIGINAL: Final = Trial(Original(), KEEP_ALL)


@frozen
class Plan:
    """What is tried on each text; the first trial leaves it as it is."""

    trials: tuple[Trial, ...]

    @classmethod
    def of(
        cls,
        ratios: Iterable[Number],
        strategies: Iterable[str | Strategy],
        protect: frozenset[str] = frozenset(),
    ) -> Self:
        """Each strategy, once more with protections if there are any, and the baselines.

        Raises InvalidRatio or UnknownStrategy.
        """
        chosen = [strategy_named(one) if isinstance(one, str) else one for one in strategies]
        protections = [frozenset[str](), protect] if protect else [protect]
        methods: list[Method] = [
            Removal(strategy, kinds) for kinds in protections for strategy in chosen
        ]
        methods += map(Baseline, BASELINES.values())
        shares = {KeepRatio.from_tokens_to_keep_ratio(ratio) for ratio in ratios} - {KEEP_ALL}
        compared = product(methods, sorted(shares, reverse=True))
        by_ratio = sorted(compared, key=lambda trial: trial[1], reverse=True)
        return cls((THE_ORIGINAL, *(Trial(method, ratio) for method, ratio in by_ratio)))
