"""What tests measure: held against a ceiling, and listed by `pytest --figures`."""

import os
from collections.abc import Iterator

from attrs import frozen


@frozen(order=True)
class Figure:
    """The worst value that a test met, over all of its parameters."""

    test: str
    what: str
    """What was counted, its unit first: "s until the upstream closes"."""
    value: float
    ceiling: float


_worst: dict[tuple[str, str], Figure] = {}


def assert_at_most(ceiling: float, value: float, what: str) -> None:
    """Fail beyond the ceiling, and take note of the value either way."""
    test = os.environ["PYTEST_CURRENT_TEST"].partition(" (")[0].partition("[")[0]
    known = _worst.get((test, what))
    if known is None or value > known.value:
        _worst[test, what] = Figure(test, what, value, ceiling)
    assert value <= ceiling, f"{value:,.5g} {what}, where at most {ceiling:,.5g} are allowed"


def table() -> Iterator[str]:
    """A line for each figure, in the order of the tests' names."""
    test = ""
    for figure in sorted(_worst.values()):
        if figure.test != test:
            test = figure.test
            yield test
        yield f"  {figure.value:>9,.5g} of at most {figure.ceiling:<7,.5g} {figure.what}"
