"""How keep ratios become billed tokens: the curve for texts in several scripts.

python -m benchmarks.curves [TOKENS_OF_A_TEXT]

Beside each billed share stands what would be billed if as many of the text's
own tokens were simply kept at random, which is how removal is often done:
where tokens were cut out, what is left is spelt with other tokens.
"""

import random
import sys
from collections.abc import Sequence
from fractions import Fraction
from statistics import mean
from typing import Final

from rich.console import Console
from rich.table import Table

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.text import compress_text

from .texts import text_of

TOKENIZER: Final = tokenizer_for("gpt-4o")
SHARES: Final = tuple(Fraction(tenths, 10) for tenths in range(9, 0, -1))
SCRIPTS: Final = ("English", "German", "Chinese", "Arabic", "Hindi", "source code", "JSON", "emoji")
TEXTS: Final = 5


def billed_share(texts: Sequence[str], share: Fraction) -> float:
    """The share of tokens billed after compression to `share`."""
    made = [compress_text(text, KeepRatio(share), TOKENIZER) for text in texts]
    return mean(text.tokens_billed / text.tokens_before for text in made)


def naive_share(texts: Sequence[str], share: Fraction) -> float:
    """The same where single tokens are kept, and what is left is decoded and sent."""
    # A seeded generator: every run measures the same texts.
    chance = random.Random(0)  # noqa: S311
    return mean(_naive(text, float(share), chance) for text in texts)


def _naive(text: str, share: float, chance: random.Random) -> float:
    tokens = TOKENIZER.encode(text, disallowed_special=())
    number = round(share * len(tokens))
    kept = sorted(chance.sample(range(len(tokens)), number))
    spelled = TOKENIZER.decode_tokens_bytes([tokens[index] for index in kept])
    sent = b"".join(spelled).decode(errors="replace")
    return len(TOKENIZER.encode(sent, disallowed_special=())) / len(tokens)


def main() -> None:
    """Print the table: billed, and in brackets without this algorithm."""
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 800
    table = Table("text", *(f"keep {float(share):g}" for share in SHARES))
    for script in SCRIPTS:
        texts = [text_of(script, tokens, TOKENIZER, seed) for seed in range(TEXTS)]
        table.add_row(
            script,
            *(
                f"{billed_share(texts, share):.3f} ({naive_share(texts, share):.2f})"
                for share in SHARES
            ),
        )
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
