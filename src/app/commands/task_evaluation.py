"""Evaluating tasks from the terminal: every trial asks the same questions of the same model."""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from attrs import asdict, frozen
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ...adapters.evaluation.plots import HINT as PLOTS_HINT
from ...adapters.evaluation.plots import Curves, Panel, draw, plots_are_possible
from ...adapters.evaluation.task_accuracy import (
    HINT,
    Accuracy,
    TasksFailed,
    TaskSweep,
    tasks_are_possible,
)
from ...domain.evaluation.removal_methods import THE_ORIGINAL, Plan, Removal
from .evaluation_tables import percent, right_aligned_table

ACCURACY_FILE: Final = "accuracy.json"
PLOT_FILE: Final = "accuracy.png"


@frozen
class TaskEvaluation:
    """Which tasks to carry out under which trials."""

    sweep: TaskSweep
    plan: Plan
    out: Path | None


def evaluate_tasks(asked: TaskEvaluation, terminal: Console, progress: Console) -> None:
    """Carry the tasks out once for each trial; print the table, write the curve. Raises TasksFailed."""
    if not tasks_are_possible():
        raise TasksFailed(HINT)
    # The baselines are no part of what the proxy can do to a prompt.
    trials = [
        trial
        for trial in asked.plan.trials
        if trial == THE_ORIGINAL or isinstance(trial.method, Removal)
    ]
    measured: list[Accuracy] = []
    with Progress(console=progress) as bar:
        for trial in bar.track(trials, description="trials"):
            measured += asked.sweep.accuracies(trial)
    terminal.print(_table(measured))
    if asked.out is not None:
        _write(measured, asked.out, terminal)


def _table(measured: Sequence[Accuracy]) -> Table:
    table = right_aligned_table("task", "metric", "method", "keep", "value", "error", "questions")
    for accuracy in sorted(measured, key=lambda accuracy: accuracy.task):
        table.add_row(
            accuracy.task,
            accuracy.metric,
            accuracy.method,
            f"{float(accuracy.keep_ratio):g}",
            percent(accuracy.value),
            percent(accuracy.standard_error),
            str(accuracy.questions),
        )
    return table


def _write(measured: Sequence[Accuracy], out: Path, terminal: Console) -> None:
    out.mkdir(parents=True, exist_ok=True)
    written = [out / ACCURACY_FILE]
    rows = [{**asdict(accuracy), "keep_ratio": str(accuracy.keep_ratio)} for accuracy in measured]
    written[0].write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    if plots_are_possible():
        written.append(draw(accuracy_panels(measured), out / PLOT_FILE))
    else:
        terminal.print(PLOTS_HINT, markup=False)
    for file in written:
        terminal.print(f"wrote {file}", markup=False)


def accuracy_panels(measured: Sequence[Accuracy]) -> Sequence[Panel]:
    """A diagram for each task: a curve for each method, which begins at the whole prompt."""
    return [
        Panel(task, "keep ratio", each[0].metric, _curves(each))
        for task, each in _by(measured, lambda accuracy: accuracy.task).items()
    ]


def _curves(measured: Sequence[Accuracy]) -> Curves:
    points = {
        method: [(float(accuracy.keep_ratio), accuracy.value) for accuracy in each]
        for method, each in _by(measured, lambda accuracy: accuracy.method).items()
    }
    whole = points.pop(THE_ORIGINAL.method.name)
    return {method: [*whole, *others] for method, others in points.items()}


def _by(
    measured: Sequence[Accuracy], key: Callable[[Accuracy], str]
) -> Mapping[str, Sequence[Accuracy]]:
    return {name: [*each] for name, each in groupby(sorted(measured, key=key), key)}
