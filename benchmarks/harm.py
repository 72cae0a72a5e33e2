"""What random removal does to texts in which every token counts, and to facts in prose.

python -m benchmarks.harm [TEXTS_OF_EACH_KIND]

No model is asked: what is counted is whether what an answer would need is
still there. A sum without one of its figures cannot be right, and a program
that does not parse cannot run.
"""

import ast
import importlib
import json
import random
import sys
from collections.abc import Callable, Mapping
from fractions import Fraction
from inspect import getsource
from typing import Final

from attrs import frozen
from rich.console import Console
from rich.table import Table

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.strategies import BUILT_IN
from openai_proxy.domain.compression.text import compress_text

TOKENIZER: Final = tokenizer_for("gpt-4o")
SHARES: Final = (Fraction(9, 10), Fraction(8, 10), Fraction(7, 10), Fraction(5, 10))
NAMES: Final = ("Ada", "Grace", "Linus", "Margaret", "Alan", "Barbara")
THINGS: Final = ("apples", "stamps", "tickets", "marbles", "bottles", "books")
STEPS: Final = {"buys", "more", "gives", "away", "left", "sold", "cents"}
MODULES: Final = ("json.decoder", "textwrap", "bisect", "heapq", "shlex", "fnmatch", "calendar")


@frozen
class Kind:
    """A kind of text, and whether one that was thinned still serves."""

    make: Callable[[random.Random], str]
    still_serves: Callable[[str, str], bool]


def _sum(chance: random.Random) -> str:
    name, thing = chance.choice(NAMES), chance.choice(THINGS)
    has, buys, gives, price = (chance.randint(12, 980) for _ in range(4))
    return (
        f"{name} has {has} {thing}. On Monday {name} buys {buys} more of them at the market, "
        f"and on Tuesday gives {gives} of them away to the neighbours. Each of the {thing} "
        f"that are left is then sold for {price} cents. How many cents does {name} get?"
    )


def _has_all_figures(before: str, after: str) -> bool:
    figures = [word.strip(".,?") for word in before.split() if word[0].isdigit()]
    left = "".join(letter if letter.isdigit() else " " for letter in after).split()
    return figures == left


def _says_what_to_do(before: str, after: str) -> bool:
    words = set(after.replace(",", " ").replace(".", " ").split())
    return _has_all_figures(before, after) and words >= STEPS


def _program(chance: random.Random) -> str:
    module = importlib.import_module(chance.choice(MODULES))
    tree = ast.parse(getsource(module))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return ast.unparse(chance.choice(functions))


def _parses(_: str, after: str) -> bool:
    try:
        ast.parse(after)
    except (SyntaxError, ValueError):
        return False
    return True


def _order(chance: random.Random) -> str:
    lines = [
        {"sku": chance.randrange(10**6), "name": chance.choice(THINGS), "price": 4.25}
        for _ in range(4)
    ]
    return json.dumps({"customer": chance.choice(NAMES), "lines": lines})


def _loads(_: str, after: str) -> bool:
    try:
        json.loads(after)
    except ValueError:
        return False
    return True


KINDS: Final[Mapping[str, Kind]] = {
    "sums with all of their figures": Kind(_sum, _has_all_figures),
    "sums that also say what to do": Kind(_sum, _says_what_to_do),
    "programs that still parse": Kind(_program, _parses),
    "JSON that still parses": Kind(_order, _loads),
}


def share_that_serves(kind: Kind, share: Fraction, strategy: str, texts: int) -> float:
    """Of so many texts, the share that is still of use."""
    # A seeded generator: every run measures the same texts.
    chance = random.Random(0)  # noqa: S311
    made = [kind.make(chance) for _ in range(texts)]
    kept = [compress_text(text, KeepRatio(share), TOKENIZER, strategy=strategy) for text in made]
    return sum(
        kind.still_serves(before, after.text) for before, after in zip(made, kept, strict=True)
    ) / len(made)


def main() -> None:
    """Print the table."""
    texts = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    table = Table("kind", "strategy", *(f"keep {float(share):g}" for share in SHARES))
    for name, kind in KINDS.items():
        for strategy in BUILT_IN:
            shares = [share_that_serves(kind, share, strategy, texts) for share in SHARES]
            table.add_row(name, strategy, *(f"{share:.0%}" for share in shares))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
