"""What a keep ratio costs, measured on a corpus before any traffic is touched.

>>> from openai_proxy.adapters import tokenizer_for
>>> report = evaluate(["Ada met 25 engineers in Bern."], ["0.5"], ["weighted"], tokenizer_for(""))
>>> [(row.method, row.tally.tokens_before, row.tally.tokens_billed) for row in report.rows[:2]]
[('original', 8, 8), ('weighted', 8, 4)]
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import repeat
from typing import Final

from attrs import frozen

from ..compression.keep_ratio import Number
from ..compression.strategies import Strategy
from ..compression.tokenizer import Tokenizer
from ..savings.prices import Prices
from .conversations import Conversation
from .removal_methods import Plan
from .similarity import Embedder, Similarity, sample, similarities
from .tally import Tally, Totals, measure

RELATIVE_PRICES: Final = Prices(
    input=Decimal(1), output=Decimal(0), cached_input=Decimal("0.1"), cache_write=Decimal(1)
)
"""Where nobody says what tokens cost: cached input costs a tenth of other input."""


@frozen
class Row:
    """What one method did to the whole corpus at one keep ratio."""

    method: str
    keep_ratio: Fraction
    tally: Tally
    similarity: Similarity | None = None


@frozen
class Report:
    """What was measured; the first row is the corpus as it is."""

    encoding: str
    rows: tuple[Row, ...]
    prices: Prices = RELATIVE_PRICES
    embedder: str | None = None
    """The model behind the similarities, if there was one."""
    embedded_texts: int = 0

    @property
    def original(self) -> Row:
        return self.rows[0]

    def cached_tokens_kept(self, row: Row) -> float | None:
        """How much of what the cache would serve of the originals it still serves."""
        originally = self.original.tally.replay.cached_tokens
        return row.tally.replay.cached_tokens / originally if originally else None


def evaluate(
    corpus: Iterable[str | Conversation],
    ratios: Iterable[Number],
    strategies: Iterable[str | Strategy],
    tokenizer: Tokenizer,
    *,
    protect: frozenset[str] = frozenset(),
    prices: Prices = RELATIVE_PRICES,
    embedder: Embedder | None = None,
) -> Report:
    """Try every strategy at every keep ratio, and the baselines, on every text of the corpus.

    A string is a conversation of one question. Raises InvalidRatio or
    UnknownStrategy.
    """
    plan = Plan.of(ratios, strategies, protect)
    conversations = [
        Conversation.of_text(item) if isinstance(item, str) else item for item in corpus
    ]
    totals = measure(conversations, plan, tokenizer)
    texts = sample(text for said in conversations for text in said.compressed_texts)
    return report_of(plan, totals, tokenizer, prices=prices, texts=texts, embedder=embedder)


def report_of(
    plan: Plan,
    totals: Totals,
    tokenizer: Tokenizer,
    *,
    prices: Prices = RELATIVE_PRICES,
    texts: Sequence[str] = (),
    embedder: Embedder | None = None,
) -> Report:
    """Put what was measured beside what was tried, and embed a sample of the texts."""
    near: Iterable[Similarity | None] = repeat(None)
    if embedder is not None and texts:
        near = similarities(texts, plan, tokenizer, embedder)
    rows = [
        Row(trial.method.name, trial.keep_ratio.share, total, similarity)
        for trial, total, similarity in zip(plan.trials, totals, near, strict=False)
    ]
    return Report(
        encoding=tokenizer.name,
        rows=tuple(rows),
        prices=prices,
        embedder=embedder.name if embedder and texts else None,
        embedded_texts=len(texts) if embedder else 0,
    )
