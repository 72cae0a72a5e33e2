"""Evaluating texts from the terminal: progress, the table, the files, and going on after a stop."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from attrs import frozen
from rich.console import Console
from rich.progress import Progress

from ...adapters.compression.tokenizer import tokenizer_for
from ...adapters.evaluation.checkpoint import Checkpoint, NotThisEvaluation, load_checkpoint
from ...adapters.evaluation.corpus import UnreadableCorpus, read_corpus, read_sample
from ...adapters.evaluation.embeddings import HINT as EMBEDDINGS_HINT
from ...adapters.evaluation.embeddings import find_embedder
from ...adapters.evaluation.plots import HINT as PLOTS_HINT
from ...adapters.evaluation.plots import draw_report, plots_are_possible
from ...adapters.evaluation.workers import BatchMeasurer, measure_in_batches
from ...domain.evaluation.conversations import Conversation
from ...domain.evaluation.removal_methods import Plan
from ...domain.evaluation.report import Report, report_of
from ...domain.evaluation.report_json import report_as_json
from ...domain.evaluation.similarity import sample
from ...domain.evaluation.tally import Totals
from ...domain.savings.prices import Prices
from .evaluation_tables import cost_table, survival_table

CHECKPOINT_FILE: Final = "checkpoint.json"
REPORT_FILE: Final = "report.json"


@frozen
class TextEvaluation:
    """What to try on which texts."""

    corpus: Sequence[Path]
    """Files and directories; the packaged sample if there are none."""
    plan: Plan
    model: str
    prices: Prices
    embeddings: str | None
    """A model's name; by default the packaged one, if it is installed."""
    out: Path | None
    """A directory for the report, the plots and the checkpoint."""
    resume: bool

    def conversations(self) -> Iterator[Conversation]:
        """The corpus, read anew each time. Raises UnreadableCorpus."""
        return read_corpus(self.corpus) if self.corpus else read_sample()

    @property
    def checkpoint(self) -> Path | None:
        """Where it is noted how far the evaluation has come."""
        return None if self.out is None else self.out / CHECKPOINT_FILE


def evaluate_texts(asked: TextEvaluation, terminal: Console, progress: Console) -> None:
    """Measure, print the table, and write what belongs into the directory.

    Raises UnreadableCorpus, NoSuchEmbedder, NotThisEvaluation or OSError.
    """
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
    report = _report(asked, progress)
    terminal.print(survival_table(report), cost_table(report))
    if report.embedder is None:
        terminal.print(f"similarity was not measured; {EMBEDDINGS_HINT}", markup=False)
    if asked.out is not None:
        _write(report, asked.out, terminal)


def _report(asked: TextEvaluation, progress: Console) -> Report:
    embedder = find_embedder(asked.embeddings)
    totals = _totals(asked, progress)
    texts = (text for said in asked.conversations() for text in said.compressed_texts)
    with progress.status("embedding") if embedder else progress.status("adding up"):
        return report_of(
            asked.plan,
            totals,
            tokenizer_for(asked.model),
            prices=asked.prices,
            texts=sample(texts) if embedder else (),
            embedder=embedder,
        )


def _totals(asked: TextEvaluation, progress: Console) -> Totals:
    # Reading it all before shows its faults while nobody has waited yet.
    count = sum(1 for _ in asked.conversations())
    if count == 0:
        raise UnreadableCorpus("the corpus holds no text")
    checkpoint = _starting_point(asked)
    rest = islice(asked.conversations(), checkpoint.conversations, None)
    measurer = BatchMeasurer(asked.plan, asked.model)
    with Progress(console=progress) as bar:
        task = bar.add_task("conversations", total=count, completed=checkpoint.conversations)
        for batch, totals in measure_in_batches(rest, measurer):
            checkpoint = checkpoint.after(batch, totals)
            if asked.checkpoint is not None:
                checkpoint.save(asked.checkpoint)
            bar.update(task, completed=checkpoint.conversations)
    return checkpoint.totals


def _starting_point(asked: TextEvaluation) -> Checkpoint:
    start = Checkpoint.at_start(asked.plan, tokenizer_for(asked.model).name)
    if not asked.resume or asked.checkpoint is None or not asked.checkpoint.exists():
        return start
    saved = load_checkpoint(asked.checkpoint)
    if not saved.continues(start, asked.conversations()):
        raise NotThisEvaluation(
            f"{asked.checkpoint}: belongs to another corpus, or to other settings"
        )
    return saved


def _write(report: Report, out: Path, terminal: Console) -> None:
    path = out / REPORT_FILE
    path.write_text(report_as_json(report), encoding="utf-8")
    written = [path]
    if plots_are_possible():
        written += draw_report(report, out)
    else:
        terminal.print(PLOTS_HINT, markup=False)
    for file in written:
        terminal.print(f"wrote {file}", markup=False)
