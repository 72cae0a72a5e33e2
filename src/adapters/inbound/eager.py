"""Running what need not wait without a task of its own."""

from collections.abc import Awaitable, Generator
from typing import Any


def begun(work: Awaitable[None]) -> Awaitable[None] | None:
    """Run `work` as far as it comes at once: None if that is its end, otherwise the rest of it."""
    steps = work.__await__()
    try:
        waited_for = next(steps)
    except StopIteration:
        return None
    return _Rest(steps, waited_for)


class _Rest(Generator[Any, Any, None]):
    """What is left of some work that waits for something."""

    def __init__(self, steps: Generator[Any, Any, None], waited_for: object) -> None:
        self._steps = steps
        self._waited_for = [waited_for]

    def __await__(self) -> Generator[Any, Any, None]:
        return self

    def send(self, value: object) -> Any:
        """Tell the task what to wait for."""
        return self._waited_for.pop() if self._waited_for else self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise in the work what the task was told, such as its being cancelled."""
        return self._steps.throw(*error)
