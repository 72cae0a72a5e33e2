"""What was measured, as tables for people and as JSON for programs."""

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .measuring import Measurement
from .scenarios import SCENARIOS

_FILE_WIDTH = 120

_START = ("Start, and memory two seconds later", ("start", "resident"), "")

_HEADINGS: Mapping[str, tuple[str, str]] = {
    "cpu": ("CPU a {unit}, us", ".1f"),
    "rate": ("{unit}s/s", ".0f"),
    "p50": ("p50, ms", ".2f"),
    "p99": ("p99, ms", ".2f"),
    "added p50": ("added p50, ms", ".2f"),
    "added p99": ("added p99, ms", ".2f"),
    "first byte p50": ("first byte p50, ms", ".2f"),
    "delay p50": ("chunk delay p50, ms", ".2f"),
    "delay p99": ("chunk delay p99, ms", ".2f"),
    "delivered": ("delivered, %", ".2f"),
    "resident": ("resident, MiB", ".0f"),
    "growth": ("growth, MiB", ".1f"),
    "start": ("first answer after, s", ".2f"),
}


def print_tables(measurements: Sequence[Measurement]) -> None:
    """A table a scenario, a line a contender."""
    shown = {"start": _START} | {
        each.name: (each.title, tuple(each.shows), each.unit) for each in SCENARIOS
    }
    # Where the output goes to a file, it need not be as narrow as a terminal.
    console = Console() if sys.stdout.isatty() else Console(width=_FILE_WIDTH)
    for name, (title, figures, unit) in shown.items():
        lines = [each for each in measurements if each.scenario == name]
        if lines:
            console.print(_table(title, figures, unit, lines))


def write_json(path: Path, measurements: Sequence[Measurement], rounds: int) -> None:
    """All figures, and what they were measured on."""
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "versions": {
            name: version(name) for name in ("openai-proxy", "uvicorn", "httpx", "uvloop")
        },
        "rounds": rounds,
        "measurements": [
            {"scenario": each.scenario, "contender": each.contender, **each.figures}
            for each in measurements
        ],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def _table(title: str, figures: Sequence[str], unit: str, lines: Sequence[Measurement]) -> Table:
    table = Table("", title=title, title_justify="left")
    for figure in figures:
        heading, _ = _HEADINGS[figure]
        table.add_column(heading.format(unit=unit), justify="right")
    table.add_column("failures", justify="right")
    for line in lines:
        cells = [_cell(figure, line.figures) for figure in figures]
        table.add_row(line.contender, *cells, f"{line.figures.get('failures', 0):.0f}")
    return table


def _cell(figure: str, figures: Mapping[str, float]) -> str:
    _, spelling = _HEADINGS[figure]
    return format(figures[figure], spelling) if figure in figures else "-"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
