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
from math import inf, sqrt
from pathlib import Path
from typing import Final

import stopwordsiso
from attrs import frozen
from rich.progress import track

from openai_proxy.adapters import tokenizer_for
from openai_proxy.adapters.evaluation.embeddings import find_embedder
from openai_proxy.domain.compression.text import CompressedText
from openai_proxy.domain.evaluation.removal_methods import Plan
from openai_proxy.domain.evaluation.similarity import Embedder, Vector, nearness, normal
from openai_proxy.domain.evaluation.survival import (
    KINDS,
    Facts,
    Survivors,
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
A_LEAD: Final = 0.01
"""By how much more than another a method must keep to be ahead of it."""
STANDARD_ERRORS: Final = 2
"""How many of these, over the texts, the lead must exceed, too."""
FEWEST_FACTS: Final = 20
"""With fewer of a kind, a share of them means nothing."""
PAGE: Final = Path("docs/bake-off.md")
MARK: Final = "<!-- below: python -m benchmarks.bake_off -->\n"

TOKENIZER: Final = tokenizer_for(MODEL)
BILLED: Final = "billed"
ANOTHER_LIST: Final = "by another list"


@frozen
class Sample:
    """A measure of one method: for each text how much there was, and how much of it is kept."""

    found: Sequence[float]
    kept: Sequence[float]

    @property
    def share(self) -> float:
        return sum(self.kept) / sum(self.found)

    def is_ahead_of(self, other: "Sample") -> bool:
        """Whether more is kept, by enough for it not to be a matter of which texts were taken."""
        lead = self.share - other.share
        return lead > A_LEAD and lead > STANDARD_ERRORS * self._error_of_lead(other, lead)

    def _error_of_lead(self, other: "Sample", lead: float) -> float:
        """The standard error of a difference of two ratios over the same texts."""
        texts = sum(map(bool, self.found))
        if texts < 2:  # One text shows nothing.
            return inf
        rests = [
            ours - theirs - lead * found
            for found, ours, theirs in zip(self.found, self.kept, other.kept, strict=True)
        ]
        variance = sum(rest * rest for rest in rests) * texts / (texts - 1)
        return sqrt(variance) / sum(self.found)


@frozen
class Outcome:
    """What one method did."""

    method: str
    keep_ratio: str
    samples: Mapping[str, Sample]
    """By measure, those of which the corpus has enough."""


@frozen
class Tasting:
    """What became of a corpus."""

    texts: int
    tokens: int
    outcomes: Sequence[Outcome]
    is_held_out: bool


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
    facts = [_facts(text, corpus) for text in chosen]
    # The packaged model has learnt English only.
    embedder = find_embedder() if name.endswith("English") else None
    compare = _comparison(chosen, embedder) if embedder else _no_comparison
    outcomes: list[Outcome] = []
    for trial in Plan.of(RATIOS, STRATEGIES, PROTECT).trials[1:]:
        thinned = [trial.thin(text, TOKENIZER) for text in chosen]
        samples = {**_samples(facts, thinned), **compare([one.text for one in thinned])}
        ratio = f"{float(trial.keep_ratio.share):g}"
        outcomes.append(Outcome(trial.method.name, ratio, samples))
    tokens = int(sum(outcomes[0].samples[BILLED].found))
    return Tasting(len(chosen), tokens, outcomes, corpus.is_held_out)


def _facts(text: str, corpus: Corpus) -> Facts:
    """Those of the product, and the words that are not on somebody else's list of stop words."""
    listed: set[str] = {*stopwordsiso.stopwords(corpus.language)}
    return Facts(text, {**Facts.of(text).spans, ANOTHER_LIST: [*content_words(text, listed)]})


def _samples(facts: Sequence[Facts], thinned: Sequence[CompressedText]) -> Mapping[str, Sample]:
    survivors = [
        one.survivors(kept_characters(left.pieces()))
        for one, left in zip(facts, thinned, strict=True)
    ]
    quarters = [one.worst_quarter for one in survivors]
    return {
        BILLED: Sample(
            [one.tokens_before for one in thinned], [one.tokens_billed for one in thinned]
        ),
        **{
            kind.replace("_", " "): _survival(survivors, kind)
            for kind in (*KINDS, ANOTHER_LIST)
            if sum(len(one.spans[kind]) for one in facts) >= FEWEST_FACTS
        },
        "worst quarter": Sample(
            [quarter is not None for quarter in quarters], [quarter or 0 for quarter in quarters]
        ),
    }


def _survival(survivors: Sequence[Survivors], kind: str) -> Sample:
    each = [one.by_kind[kind] for one in survivors]
    return Sample([*map(len, each)], [*map(sum, each)])


Comparison = Callable[[Sequence[str]], Mapping[str, Sample]]


def _comparison(texts: Sequence[str], embedder: Embedder) -> Comparison:
    originals = normal(embedder.embed(texts))

    def compare(thinned: Sequence[str]) -> Mapping[str, Sample]:
        return _likeness(originals, normal(embedder.embed(thinned)))

    return compare


def _likeness(originals: Sequence[Vector], thinned: Sequence[Vector]) -> Mapping[str, Sample]:
    near = nearness(originals, thinned)
    each = [1] * len(near)
    return {
        "cosine": Sample(each, [one.cosine for one in near]),
        "finds itself": Sample(each, [one.finds_itself for one in near]),
    }


def _no_comparison(_: Sequence[str]) -> Mapping[str, Sample]:
    return {}


@frozen
class Verdict:
    """How the recommended method stands to its rivals by one measure."""

    keep_ratio: str
    measure: str
    ours: Sample
    rivals: Mapping[str, Sample]

    @property
    def is_ahead(self) -> bool:
        return all(map(self.ours.is_ahead_of, self.rivals.values()))

    @property
    def is_behind(self) -> bool:
        return any(rival.is_ahead_of(self.ours) for rival in self.rivals.values())

    @property
    def best(self) -> str:
        """The rival that keeps most."""
        return max(self.rivals, key=lambda rival: self.rivals[rival].share)

    @property
    def seems_behind(self) -> bool:
        return self.rivals[self.best].share > self.ours.share + A_LEAD


def _verdicts(tasting: Tasting) -> Iterator[Verdict]:
    for ratio in dict.fromkeys(one.keep_ratio for one in tasting.outcomes):
        tried = {one.method: one.samples for one in tasting.outcomes if one.keep_ratio == ratio}
        for measure, ours in tried[RECOMMENDED].items():
            if measure != BILLED:
                yield Verdict(ratio, measure, ours, {name: tried[name][measure] for name in RIVALS})


def _page(tastings: Mapping[str, Tasting]) -> Iterator[str]:
    yield "\n## Where anything keeps more than `weighted`\n"
    for is_held_out, told in ((False, "tuned on"), (True, "held out")):
        found = [
            verdict
            for one in tastings.values()
            if one.is_held_out == is_held_out
            for verdict in _verdicts(one)
        ]
        ahead = sum(one.is_ahead for one in found)
        behind = sum(one.is_behind for one in found)
        yield (
            f"- Corpora that are {told}: of {len(found)} comparisons `weighted` wins {ahead}, "
            f"ties {len(found) - ahead - behind} and loses {behind}."
        )
    yield ""
    head = ("corpus", "keep", "measure", "weighted", "rival", "verdict")
    yield from _table(head, _rows_behind(tastings))
    for name, one in tastings.items():
        held_out = "Held out. " if one.is_held_out else ""
        yield f"\n## {name[0].upper()}{name[1:]}\n"
        yield f"{held_out}{one.texts} texts of {one.tokens:,} tokens.\n"
        yield from _table(*_outcomes(one))


def _rows_behind(tastings: Mapping[str, Tasting]) -> Iterator[Sequence[str]]:
    for name, tasting in tastings.items():
        for one in _verdicts(tasting):
            if one.is_behind or one.seems_behind:
                rival = f"{one.rivals[one.best].share:.0%} ({one.best})"
                verdict = "loss" if one.is_behind else "tie"
                yield name, one.keep_ratio, one.measure, f"{one.ours.share:.0%}", rival, verdict


def _outcomes(tasting: Tasting) -> tuple[Sequence[str], Iterable[Sequence[str]]]:
    rows = [
        (one.method, one.keep_ratio, *(f"{sample.share:.0%}" for sample in one.samples.values()))
        for one in tasting.outcomes
    ]
    return ("method", "keep", *tasting.outcomes[0].samples), rows


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    main()
