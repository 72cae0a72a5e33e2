"""How well a model answers the tasks of lm-evaluation-harness when its prompts are compressed."""

# As in compressed_chat.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

import logging
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from ...domain.evaluation.removal_methods import Removal, Trial

HINT: Final = "for tasks, install the extra lm-eval: pip install '.[lm-eval]' in the checkout"
_CHAT_COMPLETIONS: Final = "/chat/completions"


class TasksFailed(Exception):
    """The harness could not carry tasks out; the message is one line that says why."""


@frozen
class Accuracy:
    """How a model did on a task, by the task's main metric."""

    task: str
    metric: str
    method: str
    keep_ratio: Fraction
    value: float
    standard_error: float | None
    """None where the harness gives none."""
    questions: int


@frozen
class TaskSweep:
    """Some tasks, and the model that answers them."""

    tasks: Sequence[str]
    endpoint: str
    """The base URL of an API with chat completions, such as https://api.openai.com/v1."""
    model: str
    task_path: Path | None = None
    """A directory with the definitions of the tasks, instead of the harness's own."""
    limit: int | None = None
    """How many questions of each task are asked; all of them by default."""
    model_options: Mapping[str, Any] = field(factory=dict[str, Any])
    """Further arguments of the harness's chat model, such as num_concurrent."""

    def accuracies(self, trial: Trial) -> Iterator[Accuracy]:
        """Ask every question of every task under `trial`. Raises TasksFailed."""
        results = self._run(_policy_of(trial))
        for task in sorted(results["results"]):
            metric, value, error = _main_metric(results["results"][task])
            yield Accuracy(
                task=task,
                metric=metric,
                method=trial.method.name,
                keep_ratio=trial.keep_ratio.share,
                value=value,
                standard_error=error,
                questions=results["n-samples"].get(task, {}).get("effective", 0),
            )

    def _run(self, policy: Mapping[str, Any]) -> Any:
        # They are not there without the extra, and load for seconds with it.
        from lm_eval import simple_evaluate  # noqa: PLC0415

        from .compressed_chat import MODEL_NAME  # noqa: PLC0415

        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        base_url = self.endpoint.rstrip("/").removesuffix(_CHAT_COMPLETIONS)
        arguments = {
            "model": self.model,
            "base_url": base_url + _CHAT_COMPLETIONS,
            **self.model_options,
            **policy,
        }
        try:
            return simple_evaluate(
                MODEL_NAME,
                arguments,
                [*self.tasks],
                limit=self.limit,
                apply_chat_template=True,
                log_samples=False,
                task_manager=_task_manager(self.task_path),
            )
        except Exception as error:  # Tasks are programs, and endpoints fail in many ways.
            reason = next(iter(str(error).splitlines()), "")
            raise TasksFailed(f"{type(error).__name__}: {reason}") from error


def tasks_are_possible() -> bool:
    """Whether lm-eval is installed."""
    return find_spec("lm_eval") is not None


@cache
def _task_manager(task_path: Path | None) -> Any:
    # The harness reads the definitions of all its tasks, which takes a minute.
    from lm_eval.tasks import TaskManager  # noqa: PLC0415 - as above

    return TaskManager(
        include_path=None if task_path is None else str(task_path),
        include_defaults=task_path is None,
    )


def _policy_of(trial: Trial) -> Mapping[str, Any]:
    if not isinstance(trial.method, Removal):
        return {}
    return {
        "keep_ratio": trial.keep_ratio.share,
        "strategy": trial.method.strategy,
        "protect": " ".join(sorted(trial.method.protect)),
    }


def _main_metric(result: Mapping[str, Any]) -> tuple[str, float, float | None]:
    """A task's first metric: `exact_match,none`, say, beside `exact_match_stderr,none`."""
    for key, value in result.items():
        metric, comma, variant = key.partition(",")
        if comma and not metric.endswith("_stderr") and isinstance(value, int | float):
            error = result.get(f"{metric}_stderr,{variant}")
            return metric, float(value), float(error) if isinstance(error, int | float) else None
    raise TasksFailed("a task has no metric that is a number")
