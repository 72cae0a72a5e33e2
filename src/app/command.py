"""The command `openai-proxy`."""

from importlib.metadata import version

import click
from attrs import evolve

from .commands.compress import compress
from .commands.evaluate import evaluate
from .commands.failure import fail, settings_or_fail
from .commands.rules import rules
from .listening import listening_problem
from .settings import MOST_WORKERS, variables


@click.group(invoke_without_command=True)
@click.version_option(version("openai-proxy"), message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """A transparent proxy to the OpenAI API that can compress user messages.

    Without a subcommand it serves. Settings come from the environment and a
    .env file; `openai-proxy config` shows them.
    """
    if context.invoked_subcommand is None:
        context.invoke(serve)


main.add_command(compress)
main.add_command(evaluate)
main.add_command(rules)


@main.command()
@click.option(
    "--workers", type=click.IntRange(1, MOST_WORKERS), help="How many processes; WORKERS if unset."
)
def serve(*, workers: int | None = None) -> None:
    """Relay requests until told to stop."""
    settings = settings_or_fail()
    if workers is not None:
        settings = evolve(settings, workers=workers)
    if problem := listening_problem(settings.host, settings.port):
        fail([problem])
    # The server is imported only by the command that needs it.
    from .container import Container  # noqa: PLC0415
    from .server import serve as run  # noqa: PLC0415

    run(Container(settings=settings))


@main.command()
def config() -> None:
    """Print the effective settings; secrets stay hidden."""
    settings = settings_or_fail()
    for variable in variables():
        click.echo(f"{variable.name}={settings.shown(variable.name)}")
    click.echo(f"# keep ratio: {float(settings.keep_ratio.share):.4g}")


@main.command()
@click.option("--serve", "keep_running", is_flag=True, help="Leave it running for your requests.")
def demo(*, keep_running: bool) -> None:
    """Show the main job on this machine, with no key and no internet."""
    # As above.
    from .commands.demo import run_demo  # noqa: PLC0415

    run_demo(keep_running=keep_running)
