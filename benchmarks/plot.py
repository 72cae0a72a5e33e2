"""What a unit of each load costs, drawn as bars: one SVG file that needs nothing else."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from .measuring import Measurement
from .scenarios import SCENARIOS, Scenario

_WIDTH = 760
_NAMES = 170
_FIGURES = 70
_LINE = 20
_GAP = 34
_SHOWN = ("chat", "sse", "streams", "upload")


def draw(path: Path, measurements: Sequence[Measurement]) -> None:
    """Write the picture: a block of bars for each load, on one logarithmic scale within it."""
    lines: list[str] = []
    top = _GAP
    for scenario in (each for each in SCENARIOS if each.name in _SHOWN):
        costs = [
            (each.contender, each.figures["cpu"])
            for each in measurements
            if each.scenario == scenario.name and each.figures.get("cpu", 0) > 0
        ]
        if costs:
            lines += _block(scenario, costs, top)
            top += len(costs) * _LINE + _GAP + _LINE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" '
        'font-family="sans-serif" font-size="13">\n'
        f'<rect width="{_WIDTH}" height="{top}" fill="#ffffff"/>\n'
        + "\n".join(lines)
        + "\n</svg>\n"
    )


def _block(scenario: Scenario, costs: Sequence[tuple[str, float]], top: int) -> Iterator[str]:
    yield (
        f'<text x="10" y="{top}" font-weight="bold">{escape(scenario.title)}: '
        f"processor time a {scenario.unit}, µs (logarithmic)</text>"
    )
    smallest = min(cost for _, cost in costs) / 2
    widest = math.log(max(cost for _, cost in costs) / smallest)
    for number, (name, cost) in enumerate(costs, 1):
        y = top + number * _LINE
        width = (_WIDTH - _NAMES - _FIGURES) * math.log(cost / smallest) / widest
        colour = "#2563eb" if name.startswith("openai-proxy") else "#9ca3af"
        yield f'<text x="{_NAMES - 8}" y="{y}" text-anchor="end">{escape(name)}</text>'
        yield f'<rect x="{_NAMES}" y="{y - 12}" width="{width:.0f}" height="15" fill="{colour}"/>'
        yield f'<text x="{_NAMES + width + 6:.0f}" y="{y}">{cost:,.0f}</text>'
