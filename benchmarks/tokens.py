"""What compression costs, beside one plain encoding of the same text, by script and size.

python -m benchmarks.tokens [STRATEGY [KEEP_RATIO [TOKENIZER]]]
"""

import sys
import tracemalloc
from collections.abc import Callable
from time import process_time

from attrs import frozen
from rich.console import Console
from rich.table import Table

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.text import compress_text
from openai_proxy.domain.compression.tokenizer import Tokenizer

from .texts import SOURCES, text_of

MODEL = "gpt-4o"
SIZES = (50, 1_000, 10_000, 100_000)
LARGEST_SIZE = 1_000_000
SECONDS_EACH = 0.5
FEWEST_RUNS = 3
KIB = 1024


@frozen
class Cost:
    """Of one text; the best of several runs, in which both took turns."""

    tokens: int
    encoding_seconds: float
    compression_seconds: float

    @property
    def encodings(self) -> float:
        """How many plain encodings the compression costs."""
        return self.compression_seconds / self.encoding_seconds


def measure(
    script: str, size: int, strategy: str, keep_ratio: KeepRatio, tokenizer: Tokenizer
) -> Cost:
    """Encode with tiktoken and compress the same text in turns, for a second or so."""
    tiktoken = tokenizer_for(MODEL)
    text = text_of(script, size, tiktoken)

    def encode() -> None:
        tiktoken.encode(text, disallowed_special=())

    def compress() -> None:
        compress_text(text, keep_ratio, tokenizer, strategy=strategy)

    encoding, compression = [seconds(encode)], [seconds(compress)]
    while sum(compression) < SECONDS_EACH or len(compression) < FEWEST_RUNS:
        encoding.append(seconds(encode))
        compression.append(seconds(compress))
    tokens = len(tiktoken.encode(text, disallowed_special=()))
    return Cost(tokens, min(encoding), min(compression))


def seconds(action: Callable[[], None]) -> float:
    """The processor time that an action takes."""
    start = process_time()
    action()
    return process_time() - start


def working_memory(
    script: str, size: int, strategy: str, keep_ratio: KeepRatio, tokenizer: Tokenizer
) -> int:
    """The most bytes that Python objects take at any time while a text is compressed."""
    text = text_of(script, size, tokenizer)
    tracemalloc.start()
    compress_text(text, keep_ratio, tokenizer, strategy=strategy)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def main() -> None:
    """Print the table."""
    strategy = sys.argv[1] if len(sys.argv) > 1 else "uniform"
    keep_ratio = KeepRatio.from_tokens_to_keep_ratio(sys.argv[2] if len(sys.argv) > 2 else "0.5")
    library = sys.argv[3] if len(sys.argv) > 3 else "tiktoken"
    tokenizer = tokenizer_for(MODEL, fast=library == "quicktok")
    table = Table(
        "script",
        *("tokens", "microseconds", "ns a token", "plain encodings", "working memory, MiB"),
        title=f"{strategy}, keep {float(keep_ratio.share)}, {tokenizer.name}, {library}",
    )
    for script in SOURCES:
        for size in (*SIZES, LARGEST_SIZE) if script == "English" else SIZES:
            cost = measure(script, size, strategy, keep_ratio, tokenizer)
            table.add_row(
                script,
                f"{cost.tokens:,}",
                f"{cost.compression_seconds * 1e6:,.0f}",
                f"{cost.compression_seconds / cost.tokens * 1e9:,.0f}",
                f"{cost.encodings:.1f}",
                f"{working_memory(script, size, strategy, keep_ratio, tokenizer) / KIB**2:.1f}",
            )
    Console().print(table)


if __name__ == "__main__":
    main()
