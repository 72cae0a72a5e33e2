"""What survives of packaged texts in many scripts, by method and at equal billed tokens.

    uv run --with pyyaml python -m benchmarks.bake_off [PAGE [DIRECTORY]]

Downloads the packages into DIRECTORY (by default one that is removed in the
end), takes minutes, and writes the tables into PAGE (docs/bake-off.md), below
a line that marks their place.
"""

import random
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.progress import track

from openai_proxy.adapters import tokenizer_for
from openai_proxy.adapters.evaluation.embeddings import find_embedder
from openai_proxy.domain.evaluation.report import Report, Row, evaluate
from openai_proxy.domain.evaluation.survival import KINDS

from .packaged_corpora import CORPORA

MODEL: Final = "gpt-4o"
RATIOS: Final = ("0.7", "0.5")
STRATEGIES: Final = ("uniform", "words", "weighted")
PROTECT: Final = frozenset({"code", "numbers", "quotes", "urls"})
BASELINES: Final = ("head_and_tail", "stop_words")
RECOMMENDED: Final = "weighted"
TEXTS: Final = 120
"""How many texts are taken of each corpus at most: at random, but always the same ones."""
A_WIN: Final = 0.01
"""By how much a baseline must keep more to win."""
FEWEST_FACTS: Final = 20
"""With fewer of a kind, a share of them means nothing."""
PAGE: Final = Path("docs/bake-off.md")
MARK: Final = "<!-- below: python -m benchmarks.bake_off -->\n"

Measure = Callable[[Row], float | None]
MEASURES: Final[Mapping[str, Measure]] = {
    **{
        kind.replace("_", " "): lambda row, kind=kind: row.tally.survival[kind].share
        for kind in KINDS
    },
    "worst quarter": lambda row: row.tally.worst_quarter,
}


def main() -> None:
    """Write the tables."""
    page = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(sys.argv[2] if len(sys.argv) > 2 else temporary)
        reports = {name: report_on(name, directory) for name in track(CORPORA, "corpora")}
    text = page.read_text(encoding="utf-8")
    start = text.index(MARK) + len(MARK)
    page.write_text(text[:start] + "\n".join(_page(reports)) + "\n", encoding="utf-8")


def report_on(name: str, directory: Path) -> Report:
    """Try every method on a sample of a corpus."""
    texts = [*CORPORA[name](directory)]
    chosen = random.Random(name).sample(texts, min(TEXTS, len(texts)))  # noqa: S311
    # The packaged model has learnt English only.
    embedder = find_embedder() if name.endswith("English") else None
    return evaluate(
        chosen, RATIOS, STRATEGIES, tokenizer_for(MODEL), protect=PROTECT, embedder=embedder
    )


def _page(reports: Mapping[str, Report]) -> Iterator[str]:
    yield "\n## Where a baseline keeps more than `weighted`\n"
    yield from _table(("corpus", "keep", "measure", "weighted", "baseline"), _wins(reports))
    for name, report in reports.items():
        tokens = report.original.tally.tokens_before
        yield f"\n## {name[0].upper()}{name[1:]}\n"
        yield f"{report.original.tally.texts} texts of {tokens:,} tokens.\n"
        yield from _table(*_outcomes(report))


def _wins(reports: Mapping[str, Report]) -> Iterator[Sequence[str]]:
    for name, report in reports.items():
        for ratio in dict.fromkeys(row.keep_ratio for row in report.rows[1:]):
            rows = {row.method: row for row in report.rows if row.keep_ratio == ratio}
            for measure, share in _measures(report).items():
                ours = share(rows[RECOMMENDED])
                best = max(BASELINES, key=lambda one, rows=rows, share=share: share(rows[one]) or 0)
                theirs = share(rows[best])
                if ours is not None and theirs is not None and theirs > ours + A_WIN:
                    baseline = f"{_percent(theirs)} ({best})"
                    yield name, f"{float(ratio):g}", measure, _percent(ours), baseline


def _measures(report: Report) -> Mapping[str, Measure]:
    """Those of which there is enough in the corpus."""
    survival = report.original.tally.survival
    scarce = {kind.replace("_", " ") for kind in KINDS if survival[kind].found < FEWEST_FACTS}
    measures = {name: share for name, share in MEASURES.items() if name not in scarce}
    if report.embedder is not None:
        measures["cosine"] = lambda row: row.similarity and row.similarity.cosine
        measures["finds itself"] = lambda row: row.similarity and row.similarity.finds_itself
    return measures


def _outcomes(report: Report) -> tuple[Sequence[str], Iterable[Sequence[str]]]:
    measures = {"billed": lambda row: row.tally.billed_share, **_measures(report)}
    rows = [
        (row.method, f"{float(row.keep_ratio):g}", *(_percent(m(row)) for m in measures.values()))
        for row in report.rows[1:]
    ]
    return ("method", "keep", *measures), rows


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


if __name__ == "__main__":
    main()
