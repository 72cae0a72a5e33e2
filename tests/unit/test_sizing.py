"""The guide's table of instances and cost follows from the figures that stand above it."""

import re
from pathlib import Path

from benchmarks.sizing import Assumptions, Costs, Size, table
from hypothesis import given
from hypothesis import strategies as st

GUIDE = (Path(__file__).resolve().parents[2] / "DEPLOYMENT_SETUP.md").read_text()


def figure_of(what: str) -> float:
    found = re.search(rf"^\| {what} \| ([\d.]+) µs \|", GUIDE, re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_the_table_of_the_guide_follows_from_its_figures() -> None:
    costs = Costs(
        request=figure_of("processor time a request"), chunk=figure_of("processor time a chunk")
    )

    assert "\n".join(table(costs)) in GUIDE


@given(rate=st.floats(0.1, 1e5), request=st.floats(10, 1e4), chunk=st.floats(1, 1e3))
def test_no_instance_has_more_to_do_than_it_should(
    rate: float, request: float, chunk: float
) -> None:
    assumed = Assumptions()

    size = Size.of(rate, Costs(request, chunk), assumed)

    assert size.processors <= size.instances * assumed.busy * (1 + 1e-9)
    assert size.streams <= size.instances * assumed.busy * assumed.concurrency * (1 + 1e-9)
