"""How near the billed tokens come to keep ratio times tokens, by script, ratio and size.

python -m benchmarks.exactness [TEXTS_PER_CELL]
"""

import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from statistics import mean

import regex
from attrs import frozen
from rich.console import Console
from rich.table import Table

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.text import compress_text
from openai_proxy.domain.compression.tokenizer import Tokenizer

from .texts import SOURCES, text_of

MODELS = ("gpt-4o", "gpt-4")
SIZES = (60, 150, 400, 700, 1200, 2500, 5000)
SHARES = tuple(Fraction(tenths, 10) for tenths in range(9, 0, -1))


@frozen
class Outcome:
    """One text at one keep ratio."""

    share: Fraction
    tokens_before: int
    tokens_billed: int
    heaviest_grapheme: int
    """The tokens of the grapheme that has the most."""

    @property
    def error(self) -> float:
        """Billed tokens beyond those wanted."""
        return float(self.tokens_billed - self.share * self.tokens_before)

    @property
    def allowed(self) -> float:
        """How far off is near enough."""
        return max(1.5, 0.005 * self.tokens_before, self.heaviest_grapheme / 2 + 1)

    @property
    def is_exact(self) -> bool:
        return abs(self.error) <= self.allowed


def outcomes(
    script: str, tokenizer: Tokenizer, sizes: Iterable[int] = SIZES, texts: int = 5
) -> Iterator[Outcome]:
    """Compress `texts` texts of each size at every ratio."""
    for size in sizes:
        for seed in range(texts):
            text = text_of(script, size, tokenizer, seed)
            heaviest = max(
                len(tokenizer.encode(grapheme, disallowed_special=()))
                for grapheme in set(regex.findall(r"\X", text))
            )
            for share in SHARES:
                made = compress_text(text, KeepRatio(share), tokenizer)
                if made.skipped is None:
                    yield Outcome(share, made.tokens_before, made.tokens_billed, heaviest)


def bias(measured: Iterable[Outcome]) -> float:
    """The mean error as a share of the text."""
    return mean(outcome.error / outcome.tokens_before for outcome in measured)


def exact_share(measured: Iterable[Outcome]) -> float:
    """The share of outcomes that are near enough."""
    return mean(outcome.is_exact for outcome in measured)


def main() -> None:
    """Print the table."""
    texts = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    table = Table("encoding", "script", "outputs", "near enough", "bias", "worst error (tokens)")
    for model in MODELS:
        tokenizer = tokenizer_for(model)
        for script in SOURCES:
            measured = list(outcomes(script, tokenizer, texts=texts))
            worst = max(measured, key=lambda outcome: abs(outcome.error) / outcome.allowed)
            table.add_row(
                tokenizer.name,
                script,
                str(len(measured)),
                f"{exact_share(measured):.2%}",
                f"{bias(measured):+.3%}",
                f"{worst.error:+.1f} of {worst.tokens_before} at {float(worst.share)}",
            )
    Console().print(table)


if __name__ == "__main__":
    main()
