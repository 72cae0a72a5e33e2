"""From the options of `openai-proxy evaluate` to what they ask for."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ...adapters.compression.strategy_loader import StrategyNotLoaded, load_strategy
from ...adapters.evaluation.checkpoint import NotThisEvaluation
from ...adapters.evaluation.corpus import UnreadableCorpus
from ...adapters.evaluation.embeddings import NoSuchEmbedder
from ...adapters.evaluation.task_accuracy import TasksFailed, TaskSweep
from ...domain.compression.keep_ratio import InvalidRatio
from ...domain.evaluation.removal_methods import Plan
from ...domain.evaluation.report import RELATIVE_PRICES
from ...domain.protection.protections import PROTECTIONS
from ...domain.savings.prices import Prices
from ..price_file import InvalidPrices, load_prices
from ..readers import choices
from .task_evaluation import TaskEvaluation, evaluate_tasks
from .text_evaluation import TextEvaluation, evaluate_texts


class EvaluationFailed(Exception):
    """What was asked for cannot be done; the message is a line for each reason."""


def run_evaluation(
    *,
    corpus: Sequence[Path],
    ratios: str,
    strategies: str,
    protect: str,
    model: str,
    prices: str | None,
    embeddings: str | None,
    out: Path | None,
    resume: bool,
    tasks: str | None,
    task_path: Path | None,
    endpoint: str | None,
    limit: int | None,
) -> None:
    """Evaluate tasks if there are any, otherwise texts. Raises EvaluationFailed."""
    terminal, progress = Console(), Console(stderr=True)
    plan = read_plan(ratios, strategies, protect)
    if resume and out is None:
        raise EvaluationFailed("--resume: --out must name the directory to go on in")
    try:
        if tasks is None:
            texts = TextEvaluation(
                corpus, plan, model, _prices(prices, model), embeddings, out, resume
            )
            evaluate_texts(texts, terminal, progress)
        else:
            if endpoint is None:
                raise EvaluationFailed("--tasks: --endpoint must name the API that answers them")
            sweep = TaskSweep(_listed(tasks), endpoint, model, task_path, limit)
            evaluate_tasks(TaskEvaluation(sweep, plan, out), terminal, progress)
    except (UnreadableCorpus, NoSuchEmbedder, NotThisEvaluation, TasksFailed) as error:
        raise EvaluationFailed(str(error)) from error
    except OSError as error:
        raise EvaluationFailed(f"{error.filename}: {error.strerror}") from error


def read_plan(ratios: str, strategies: str, protect: str) -> Plan:
    """What to try, from lists separated by commas. Raises EvaluationFailed."""
    try:
        kinds = choices(*PROTECTIONS, or_none=True)(protect)
    except ValueError:
        allowed = ",".join(PROTECTIONS)
        raise EvaluationFailed(f"--protect: {protect!r} is not any of {allowed}") from None
    try:
        return Plan.of(_listed(ratios), map(load_strategy, _listed(strategies)), kinds)
    except InvalidRatio as error:
        reason = str(error).removeprefix("TOKENS_TO_KEEP_RATIO")
        raise EvaluationFailed(f"--ratios{reason}") from error
    except StrategyNotLoaded as error:
        raise EvaluationFailed(f"--strategies: {error}") from error


def _prices(path: str | None, model: str) -> Prices:
    if path is None:
        return RELATIVE_PRICES
    try:
        prices = load_prices(path).prices_of(model)
    except InvalidPrices as invalid:
        raise EvaluationFailed("\n".join(f"--prices: {one}" for one in invalid.problems)) from None
    if prices is None:
        raise EvaluationFailed(f"--prices: {path} has no price for {model}")
    return prices


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]
