"""How a contender is measured, and what a measurement says."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Collection, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager

import click
from attrs import Factory, frozen

from .contenders import Contender, DroppedOut, Running, running, scripted_upstream
from .processes import Places, Process
from .scenarios import SCENARIOS, Outcome, Scenario

MIB = 1024 * 1024
DIRECT = "direct"

_SETTLING_SECONDS = 2
"""In which a contender ends what it began at its start, such as loading a vocabulary."""


@frozen
class Measurement:
    """What one contender has shown in one scenario, once or in several rounds."""

    scenario: str
    contender: str
    figures: dict[str, float]


@frozen
class Plan:
    """How much is measured."""

    contenders: Sequence[Contender]
    scenarios: Collection[str]
    """Their names; none means all."""
    rounds: int
    quick: bool

    def includes(self, scenario: Scenario) -> bool:
        """Whether a scenario is part of it."""
        return not self.scenarios or scenario.name in self.scenarios

    def seconds(self, scenario: Scenario) -> float:
        """How long the load of a scenario lasts."""
        return scenario.quick_seconds if self.quick else scenario.seconds

    def turns(self, field: Sequence[Running]) -> Iterator[tuple[Scenario, Running]]:
        """Everyone's turns: A B C, A B C, so that no one has the quiet minutes alone."""
        for scenario in filter(self.includes, SCENARIOS):
            suited = [each for each in field if _suits(each.contender, scenario)]
            for _ in range(self.rounds):
                yield from ((scenario, each) for each in suited)


@frozen
class Dropouts:
    """The names of those who are measured no longer."""

    _names: set[str] = Factory(set[str])

    def __contains__(self, contender: Contender) -> bool:
        return contender.name in self._names

    @contextmanager
    def noted(self, contender: Contender) -> Generator[None]:
        """Go on without a contender that drops out within, and say why."""
        try:
            yield
        except DroppedOut as error:
            self._names.add(contender.name)
            click.echo(f"{error.message}; it is left out from here on", err=True)


async def measure(plan: Plan) -> AsyncIterator[Measurement]:
    """Run the whole plan; yields each measurement as it is made."""
    places = Places.of_this_machine()
    dropouts = Dropouts()
    async with scripted_upstream(places.load) as upstream, AsyncExitStack() as stack:
        for _ in range(0 if plan.scenarios else plan.rounds):
            for contender in plan.contenders:
                if contender not in dropouts and contender.command is not None:
                    with dropouts.noted(contender):
                        yield await _start(contender, upstream, places)
        field: list[Running] = []
        for contender in plan.contenders:
            if contender not in dropouts:
                with dropouts.noted(contender):
                    started = running(contender, upstream, _processors(contender, places))
                    field.append(await stack.enter_async_context(started))
        await asyncio.sleep(_SETTLING_SECONDS)
        for scenario, each in plan.turns(field):
            if each.contender not in dropouts:
                with dropouts.noted(each.contender):
                    yield await _measured(scenario, each, plan.seconds(scenario))


def medians(measurements: Sequence[Measurement]) -> list[Measurement]:
    """One measurement for all rounds of a contender in a scenario."""
    grouped: dict[tuple[str, str], list[dict[str, float]]] = {}
    for each in measurements:
        grouped.setdefault((each.scenario, each.contender), []).append(each.figures)
    return [
        Measurement(scenario, contender, _medians(rounds))
        for (scenario, contender), rounds in grouped.items()
    ]


def with_added_latency(measurements: Sequence[Measurement]) -> list[Measurement]:
    """As they are, and beside each latency what it has on top of going straight there."""
    direct = {each.scenario: each.figures for each in measurements if each.contender == DIRECT}
    return [
        Measurement(
            each.scenario,
            each.contender,
            {
                **each.figures,
                **{
                    f"added {name}": each.figures[name] - direct[each.scenario][name]
                    for name in ("p50", "p99")
                    if name in each.figures and name in direct.get(each.scenario, {})
                },
            },
        )
        for each in measurements
    ]


def _suits(contender: Contender, scenario: Scenario) -> bool:
    return contender.compresses == scenario.compressing


def _processors(contender: Contender, places: Places) -> frozenset[int]:
    # Compression is meant to have a processor beside the one that relays.
    return places.load | places.contender if contender.compresses else places.contender


async def _start(contender: Contender, upstream: int, places: Places) -> Measurement:
    async with running(contender, upstream, _processors(contender, places)) as started:
        await asyncio.sleep(_SETTLING_SECONDS)
        figures = {"start": started.start_seconds}
        if started.process is not None:
            with _that_goes_on(contender, started.process):
                figures["resident"] = started.process.resident_bytes() / MIB
        return Measurement("start", contender.name, figures)


async def _measured(scenario: Scenario, each: Running, seconds: float) -> Measurement:
    process = each.process
    if process is None:
        outcome = Outcome(lambda: 0.0)
        await scenario.run(each.port, seconds, outcome)
        return Measurement(scenario.name, each.contender.name, _figures(outcome))
    with _that_goes_on(each.contender, process):
        process.forget_peak()
        resident = process.resident_bytes()
        outcome = Outcome(process.cpu_seconds)
        await scenario.run(each.port, seconds, outcome)
        figures = {
            **_figures(outcome),
            "cpu": outcome.cpu_seconds_a_unit * 1e6,
            "resident": process.peak_bytes() / MIB,
            "growth": (process.peak_bytes() - resident) / MIB,
        }
    return Measurement(scenario.name, each.contender.name, figures)


@contextmanager
def _that_goes_on(contender: Contender, process: Process) -> Generator[None]:
    """Raise DroppedOut if the process ends within."""
    try:
        yield
    except (OSError, LookupError):
        # The kernel says nothing of one that has ended.
        if not process.has_ended:
            raise
    if process.has_ended:
        raise DroppedOut(f"{contender.name} has ended: {process.last_words}")


def _figures(outcome: Outcome) -> dict[str, float]:
    figures = {"rate": outcome.units / outcome.seconds, "failures": float(outcome.failures)}
    if outcome.offered:
        figures["delivered"] = 100 * outcome.units / outcome.offered
    for prefix, seconds in (
        ("", outcome.latencies),
        ("first byte ", outcome.first_bytes),
        ("delay ", outcome.delays),
    ):
        if seconds:
            figures[f"{prefix}p50"] = _percentile(seconds, 50) * 1e3
            figures[f"{prefix}p99"] = _percentile(seconds, 99) * 1e3
    return figures


def _percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _medians(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for figures in rounds for name in figures)
    return {
        # Memory once taken is used again, so that only the first time shows its growth.
        name: (max if name == "growth" else statistics.median)(
            [figures[name] for figures in rounds if name in figures]
        )
        for name in names
    }
