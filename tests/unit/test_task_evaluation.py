"""How answers to tasks are drawn: against the keep ratio, from the whole prompt on."""

from fractions import Fraction

from openai_proxy.adapters.evaluation.plots import Panel
from openai_proxy.adapters.evaluation.task_accuracy import Accuracy
from openai_proxy.app.commands.task_evaluation import accuracy_panels


def accuracy(task: str, method: str, keep_ratio: str, value: float) -> Accuracy:
    return Accuracy(task, "exact_match", method, Fraction(keep_ratio), value, 0.01, 100)


def test_each_task_is_a_diagram_with_a_curve_for_each_method() -> None:
    measured = [
        accuracy("sums", "original", "1", 0.72),
        accuracy("sums", "uniform", "0.9", 0.45),
        accuracy("sums", "uniform", "0.5", 0.06),
        accuracy("reading", "original", "1", 0.63),
        accuracy("reading", "uniform", "0.5", 0.43),
        accuracy("reading", "weighted", "0.5", 0.6),
    ]

    assert accuracy_panels(measured) == [
        Panel(
            "reading",
            "keep ratio",
            "exact_match",
            {"uniform": [(1.0, 0.63), (0.5, 0.43)], "weighted": [(1.0, 0.63), (0.5, 0.6)]},
        ),
        Panel(
            "sums",
            "keep ratio",
            "exact_match",
            {"uniform": [(1.0, 0.72), (0.9, 0.45), (0.5, 0.06)]},
        ),
    ]
