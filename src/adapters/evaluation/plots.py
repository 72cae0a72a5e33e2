"""The figures of a report, as PNG files; drawn by matplotlib, of the extra eval."""

# pyright: reportMissingImports=false, reportUnknownMemberType=false

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from ...domain.evaluation.report import Report, Row
from ...domain.evaluation.survival import KINDS

HINT: Final = "for plots, install the extra eval: pip install '.[eval]' in the checkout"

_PANEL_INCHES: Final = (4.2, 3.4)
_COLUMNS: Final = 3

Curves = Mapping[str, Sequence[tuple[float, float]]]
"""Points, by the name of what they show."""


@frozen
class Panel:
    """One diagram of a figure."""

    title: str
    x_label: str
    y_label: str
    curves: Curves


def plots_are_possible() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw_report(report: Report, directory: Path) -> Sequence[Path]:
    """Draw all that there is to see of a report; returns the files."""
    figures = {"survival": _survival(report), "tokens-and-cost": _tokens_and_cost(report)}
    if report.embedder is not None:
        figures["similarity"] = _similarity(report)
    return [draw(panels, directory / f"{name}.png") for name, panels in figures.items()]


def draw(panels: Sequence[Panel], path: Path) -> Path:
    """Draw panels side by side, under one legend."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - it may not be installed

    columns = min(len(panels), _COLUMNS)
    rows = -(-len(panels) // columns)
    width, height = _PANEL_INCHES
    figure = Figure((width * columns, height * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes, panel in zip(grid, panels, strict=False):
        _draw_panel(axes, panel)
    for axes in [*grid][len(panels) :]:
        axes.remove()
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    # The version of matplotlib would be the only difference between two runs.
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return path


def _draw_panel(axes: Any, panel: Panel) -> None:
    for name, points in panel.curves.items():
        axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name)
    axes.set_title(panel.title)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.grid(alpha=0.3)


def _survival(report: Report) -> Sequence[Panel]:
    def kept(kind: str) -> Callable[[Row], float | None]:
        return lambda row: row.tally.survival[kind].share

    panels = [
        _against_billed(kind.replace("_", " "), "share that survives", report, kept(kind))
        for kind in KINDS
        if report.original.tally.survival[kind].found
    ]
    worst = _against_billed(
        "content words in the worst quarter",
        "share that survives",
        report,
        lambda row: row.tally.worst_quarter,
    )
    return [*panels, worst]


def _tokens_and_cost(report: Report) -> Sequence[Panel]:
    def wanted(row: Row) -> float:
        return float(row.keep_ratio)

    kept = _curves(report, wanted, lambda row: row.tally.kept_share)
    billed = _curves(report, wanted, lambda row: row.tally.billed_share)
    return [
        Panel("tokens kept", "keep ratio", "share of tokens", kept),
        Panel("tokens billed", "keep ratio", "share of tokens", billed),
        _against_billed(
            "cost without the provider's cache",
            "cost of the prompts",
            report,
            lambda row: float(row.tally.replay.cost_without_cache(report.prices)),
        ),
        _against_billed(
            "cost with the provider's cache",
            "cost of the prompts",
            report,
            lambda row: float(row.tally.replay.cost_with_cache(report.prices)),
        ),
    ]


def _similarity(report: Report) -> Sequence[Panel]:
    return [
        _against_billed(
            f"similarity by {report.embedder}",
            "mean cosine",
            report,
            lambda row: row.similarity.cosine if row.similarity else None,
        ),
        _against_billed(
            "texts that find themselves",
            "share of texts",
            report,
            lambda row: row.similarity.finds_itself if row.similarity else None,
        ),
        _against_billed(
            "content words in the worst quarter",
            "share that survives",
            report,
            lambda row: row.tally.worst_quarter,
        ),
    ]


def _against_billed(
    title: str, y_label: str, report: Report, y: Callable[[Row], float | None]
) -> Panel:
    curves = _curves(report, lambda row: row.tally.billed_share, y)
    return Panel(title, "share of tokens billed", y_label, curves)


def _curves(
    report: Report, x: Callable[[Row], float | None], y: Callable[[Row], float | None]
) -> Curves:
    """A curve for each method, which begins where nothing was removed."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in report.rows[1:]:
        curve = curves.setdefault(row.method, _points([report.original], x, y))
        curve += _points([row], x, y)
    return curves


def _points(
    rows: Sequence[Row], x: Callable[[Row], float | None], y: Callable[[Row], float | None]
) -> list[tuple[float, float]]:
    both = [(x(row), y(row)) for row in rows]
    return [(a, b) for a, b in both if a is not None and b is not None]
