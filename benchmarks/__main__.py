"""The benchmarks: uv run python -m benchmarks [--quick], and others by name."""

import os
import runpy
import sys
from pathlib import Path

import click
import uvloop

from .contenders import Contender, contenders
from .measuring import Measurement, Plan, measure, medians, with_added_latency
from .plot import draw
from .processes import Places
from .report import print_tables, write_json


@click.group(invoke_without_command=True)
@click.option(
    "--quick", is_flag=True, help="Short rounds, and one of them unless more are asked for."
)
@click.option("--rounds", type=int, help="Of which the medians are shown; 5 unless quick.")
@click.option("--only", help="The contenders whose names begin so, separated by commas.")
@click.option("--scenario", "scenarios", multiple=True, help="Only this one; may be repeated.")
@click.option(
    "--contender",
    "further",
    multiple=True,
    metavar="NAME=COMMAND",
    help="One more, with {port} and {upstream} in its command.",
)
@click.option("--json", "json_path", type=Path, help="Where to write all figures.")
@click.option("--svg", "svg_path", type=Path, help="Where to draw them.")
@click.pass_context
def main(
    context: click.Context,
    *,
    quick: bool,
    rounds: int | None,
    only: str | None,
    scenarios: tuple[str, ...],
    further: tuple[str, ...],
    json_path: Path | None,
    svg_path: Path | None,
) -> None:
    """Measure the product beside others, in front of one scripted upstream on loopback."""
    if context.invoked_subcommand is not None:
        return
    plan = Plan(
        contenders=_field(only, further),
        scenarios=frozenset(scenarios),
        rounds=rounds or (1 if quick else 5),
        quick=quick,
    )
    os.sched_setaffinity(0, Places.of_this_machine().load)
    results = with_added_latency(medians(uvloop.run(_results(plan))))
    print_tables(results)
    if json_path is not None:
        write_json(json_path, results, plan.rounds)
    if svg_path is not None:
        draw(svg_path, results)


@main.command()
@click.argument("arguments", nargs=-1)
def tokens(arguments: tuple[str, ...]) -> None:
    """What compression costs, by script and size: [STRATEGY [KEEP_RATIO]]."""
    _run_module("tokens", arguments)


@main.command()
@click.argument("arguments", nargs=-1)
def exactness(arguments: tuple[str, ...]) -> None:
    """How near compression comes to the keep ratio: [TEXTS_PER_CELL]."""
    _run_module("exactness", arguments)


@main.command()
@click.argument("arguments", nargs=-1, required=True)
def sizing(arguments: tuple[str, ...]) -> None:
    """How many instances a load needs: RESULTS.json."""
    _run_module("sizing", arguments)


@main.command()
@click.argument("arguments", nargs=-1)
def workers(arguments: tuple[str, ...]) -> None:
    """What a second process brings: [ROUNDS]."""
    _run_module("workers", arguments)


def _run_module(name: str, arguments: tuple[str, ...]) -> None:
    sys.argv[1:] = arguments
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")


def _field(only: str | None, further: tuple[str, ...]) -> list[Contender]:
    """Those who can take part, and a line for each who cannot."""
    beginnings = tuple(only.split(",")) if only else ("",)
    commands = dict(each.split("=", 1) for each in further)
    chosen = [each for each in contenders(commands) if each.name.startswith(beginnings)]
    for each in chosen:
        if each.missing is not None:
            click.echo(f"{each.name} is left out: {each.missing}", err=True)
    return [each for each in chosen if each.missing is None]


async def _results(plan: Plan) -> list[Measurement]:
    results: list[Measurement] = []
    async for each in measure(plan):
        figures = ", ".join(f"{name} {figure:.4g}" for name, figure in each.figures.items())
        click.echo(f"{each.scenario}: {each.contender}: {figures}", err=True)
        results.append(each)
    return results


if __name__ == "__main__":
    main()
