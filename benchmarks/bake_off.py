"""What survives of packaged texts in many scripts, by method and at equal billed tokens.

    uv run --with pyyaml --with stopwordsiso python -m benchmarks.bake_off [PAGE [DIRECTORY]]

Downloads the packages into DIRECTORY (by default one that is removed in the
end), takes minutes, and writes the tables into PAGE (docs/bake-off.md), below
a line that marks their place.
"""

# It brings the list of stop words itself.
# pyright: reportMissingImports=false, reportUnknownMemberType=false

import random
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, cast

import stopwordsiso
from attrs import frozen
from rich.progress import track

from openai_proxy.adapters import tokenizer_for
from openai_proxy.adapters.evaluation.embeddings import find_embedder
from openai_proxy.domain.evaluation.removal_methods import Plan, Trial
from openai_proxy.domain.evaluation.report import Report, Row, evaluate
from openai_proxy.domain.evaluation.survival import (
    KINDS,
    Facts,
    Survival,
    content_words,
    kept_characters,
)

from .packaged_corpora import CORPORA, Corpus

MODEL: Final = "gpt-4o"
RATIOS: Final = ("0.7", "0.5")
STRATEGIES: Final = ("uniform", "words", "weighted")
PROTECT: Final = frozenset({"code", "numbers", "quotes", "urls"})
RECOMMENDED: Final = "weighted"
RIVALS: Final = ("uniform", "words", "head_and_tail", "stop_words")
TEXTS: Final = 120
"""How many texts are taken of each corpus at most: at random, but always the same ones."""
A_WIN: Final = 0.01
"""By how much a rival must keep more to win."""
FEWEST_FACTS: Final = 20
"""With fewer of a kind, a share of them means nothing."""
PAGE: Final = Path("docs/bake-off.md")
MARK: Final = "<!-- below: python -m benchmarks.bake_off -->\n"

TOKENIZER: Final = tokenizer_for(MODEL)


@frozen
class Outcome:
    """What one method did, and how it is measured where no list of the product has a say."""

    row: Row
    by_another_list: Survival


@frozen
class Tasting:
    """What became of a corpus."""

    report: Report
    outcomes: Sequence[Outcome]
    is_held_out: bool


def _share_that_survives(kind: str, outcome: Outcome) -> float | None:
    return outcome.row.tally.survival[kind].share


Measure = Callable[[Outcome], float | None]
MEASURES: Final[Mapping[str, Measure]] = {
    **{kind.replace("_", " "): partial(_share_that_survives, kind) for kind in KINDS},
    "by another list": lambda one: one.by_another_list.share,
    "worst quarter": lambda one: one.row.tally.worst_quarter,
}
BILLED: Final[Mapping[str, Measure]] = {"billed": lambda one: one.row.tally.billed_share}
SIMILARITIES: Final[Mapping[str, Measure]] = {
    "cosine": lambda one: one.row.similarity.cosine if one.row.similarity else None,
    "finds itself": lambda one: one.row.similarity.finds_itself if one.row.similarity else None,
}


def main() -> None:
    """Write the tables."""
    page = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(sys.argv[2] if len(sys.argv) > 2 else temporary)
        tastings = {name: taste(name, directory) for name in track(CORPORA, "corpora")}
    text = page.read_text(encoding="utf-8")
    start = text.index(MARK) + len(MARK)
    page.write_text(text[:start] + "\n".join(_page(tastings)) + "\n", encoding="utf-8")


def taste(name: str, directory: Path) -> Tasting:
    """Try every method on a sample of a corpus."""
    corpus = CORPORA[name]
    texts = [*corpus.read(directory)]
    chosen = random.Random(name).sample(texts, min(TEXTS, len(texts)))  # noqa: S311
    # The packaged model has learnt English only.
    embedder = find_embedder() if name.endswith("English") else None
    report = evaluate(chosen, RATIOS, STRATEGIES, TOKENIZER, protect=PROTECT, embedder=embedder)
    outcomes = map(Outcome, report.rows, _by_another_list(chosen, corpus))
    return Tasting(report, [*outcomes], corpus.is_held_out)


def _by_another_list(texts: Sequence[str], corpus: Corpus) -> Iterator[Survival]:
    """What each trial keeps of the words that are not on somebody else's list of stop words."""
    listed = cast("set[str]", stopwordsiso.stopwords(corpus.language))
    facts = [Facts(text, {"content_words": [*content_words(text, listed)]}) for text in texts]
    for trial in Plan.of(RATIOS, STRATEGIES, PROTECT).trials:
        yield sum((_survivors(one, trial) for one in facts), Survival())


def _survivors(facts: Facts, trial: Trial) -> Survival:
    kept = kept_characters(trial.thin(facts.text, TOKENIZER).pieces())
    return facts.survivors(kept).counts["content_words"]


def _page(tastings: Mapping[str, Tasting]) -> Iterator[str]:
    yield "\n## Where anything keeps more than `weighted`\n"
    for is_held_out, told in ((False, "tuned on"), (True, "held out")):
        each = {name: one for name, one in tastings.items() if one.is_held_out == is_held_out}
        cells = sum(len(_measures(one)) * len(RATIOS) for one in each.values())
        yield f"- Corpora that are {told}: {len([*_wins(each)])} of {cells} comparisons."
    yield ""
    yield from _table(("corpus", "keep", "measure", "weighted", "rival"), _wins(tastings))
    for name, one in tastings.items():
        tokens = one.report.original.tally.tokens_before
        held_out = "Held out. " if one.is_held_out else ""
        yield f"\n## {name[0].upper()}{name[1:]}\n"
        yield f"{held_out}{one.report.original.tally.texts} texts of {tokens:,} tokens.\n"
        yield from _table(*_outcomes(one))


def _wins(tastings: Mapping[str, Tasting]) -> Iterator[Sequence[str]]:
    for name, tasting in tastings.items():
        for ratio in dict.fromkeys(one.row.keep_ratio for one in tasting.outcomes[1:]):
            outcomes = {
                one.row.method: one for one in tasting.outcomes if one.row.keep_ratio == ratio
            }
            for measure, share in _measures(tasting).items():
                ours = share(outcomes[RECOMMENDED])
                shares = {rival: share(outcomes[rival]) or 0 for rival in RIVALS}
                best = max(RIVALS, key=shares.__getitem__)
                if ours is not None and shares[best] > ours + A_WIN:
                    rival = f"{_percent(shares[best])} ({best})"
                    yield name, f"{float(ratio):g}", measure, _percent(ours), rival


def _measures(tasting: Tasting) -> Mapping[str, Measure]:
    """Those of which there is enough in the corpus."""
    survival = tasting.report.original.tally.survival
    scarce = {kind.replace("_", " ") for kind in KINDS if survival[kind].found < FEWEST_FACTS}
    measures = {name: share for name, share in MEASURES.items() if name not in scarce}
    return {**measures, **SIMILARITIES} if tasting.report.embedder else measures


def _outcomes(tasting: Tasting) -> tuple[Sequence[str], Iterable[Sequence[str]]]:
    measures = {**BILLED, **_measures(tasting)}
    rows = [
        (
            one.row.method,
            f"{float(one.row.keep_ratio):g}",
            *(_percent(measure(one)) for measure in measures.values()),
        )
        for one in tasting.outcomes[1:]
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
