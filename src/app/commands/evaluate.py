"""The options of `openai-proxy evaluate`."""

from pathlib import Path
from typing import Any

import click

from .failure import fail


@click.command()
@click.argument("corpus", nargs=-1, type=click.Path(path_type=Path))
@click.option("--ratios", default="0.9,0.7,0.5", show_default=True, help="Keep ratios to try.")
@click.option(
    "--strategies",
    default="uniform,weighted",
    show_default=True,
    help="Built-in ones, or your own as package.module:name.",
)
@click.option("--protect", default="none", help="Spans to try each strategy with, too.")
@click.option("--model", default="gpt-4o", show_default=True, help="Whose tokens are billed.")
@click.option("--prices", help="A file as PRICES_FILE; otherwise cached input costs a tenth.")
@click.option("--embeddings", help="A model for sentence-transformers; by default a packaged one.")
@click.option("--out", type=click.Path(path_type=Path), help="Where report.json and plots go.")
@click.option("--resume", is_flag=True, help="Go on where an evaluation into --out was stopped.")
@click.option("--tasks", help="Tasks of lm-evaluation-harness to measure accuracy on instead.")
@click.option(
    "--task-path",
    type=click.Path(path_type=Path),
    help="A directory of tasks instead of lm-eval's own.",
)
@click.option("--endpoint", help="The base URL of the API that answers the tasks.")
@click.option("--limit", type=click.IntRange(min=1), help="How many questions of each task to ask.")
def evaluate(**options: Any) -> None:
    """Measure what keep ratios cost: on texts, or with --tasks in right answers.

    CORPUS are text files, .jsonl files with a chat request a line, and
    directories of both; without any, a small sample is taken. Each strategy is
    compared with head-and-tail truncation and the removal of stop words. The
    key for --endpoint is taken from OPENAI_API_KEY.
    """
    # The commands that evaluate nothing start without all that this needs.
    from .evaluation import EvaluationFailed, run_evaluation  # noqa: PLC0415

    try:
        run_evaluation(**options)
    except EvaluationFailed as failed:
        fail(str(failed).splitlines())
