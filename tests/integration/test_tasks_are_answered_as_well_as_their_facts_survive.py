"""Tasks of lm-evaluation-harness, asked of an endpoint that knows only what it is told."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scripted_upstream import Exchange, ScriptedUpstream

from openai_proxy.adapters import tokenizer_for
from openai_proxy.adapters.evaluation.task_accuracy import TasksFailed, TaskSweep
from openai_proxy.domain.evaluation.baselines import BASELINES
from openai_proxy.domain.evaluation.removal_methods import THE_ORIGINAL, Plan, Trial

pytest.importorskip("lm_eval", reason="the extra lm-eval is not installed")
# The harness and what it stands on are not free of warnings.
pytestmark = pytest.mark.filterwarnings("default")

PLACES = [
    "harbour",
    "museum",
    "bakery",
    "library",
    "stadium",
    "orchard",
    "brewery",
    "theatre",
    "chapel",
    "quarry",
]
PEOPLE = ["Ada", "Boris", "Chidi", "Dilara", "Emil", "Farida", "Goran", "Hanna", "Ines", "Jonas"]
QUESTION = (
    "We met them all on the same Sunday in the autumn of that year, and {person} was waiting "
    "for us in the {place} with an umbrella in one hand and the tickets in the other, as we had "
    "agreed on the telephone a few days before. Where was {person} waiting? Answer in one word."
)
DOCUMENTS = [
    {"question": QUESTION.format(person=person, place=place), "answer": place}
    for person in PEOPLE
    for place in PLACES
]
TASK = """\
task: where_they_waited
dataset_path: json
dataset_kwargs:
  data_files:
    test: {documents}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs:
  until: []
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
"""


@pytest.fixture
def task_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    documents = tmp_path / "documents.jsonl"
    documents.write_text("".join(json.dumps(document) + "\n" for document in DOCUMENTS))
    (tmp_path / "where_they_waited.yaml").write_text(TASK.format(documents=documents))
    return tmp_path


@pytest.fixture
def endpoint() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        upstream.otherwise_plays(answer_what_was_told)
        yield upstream


async def answer_what_was_told(exchange: Exchange) -> None:
    """Name the place that the question mentions; without one, admit to knowing nothing."""
    await exchange.receive_body()
    prompt = json.loads(bytes(exchange.request.body))["messages"][-1]["content"]
    told = [place for place in PLACES if place in prompt]
    message = {"role": "assistant", "content": told[0] if told else "unknown"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps({"object": "chat.completion", "choices": [choice]}).encode()
    await exchange.answer(200, [(b"Content-Type", b"application/json")], body)


def share_of_surviving_answers(trial: Trial) -> float:
    tokenizer = tokenizer_for("gpt-4o")
    thinned = [(trial.thin(doc["question"], tokenizer).text, doc["answer"]) for doc in DOCUMENTS]
    return sum(answer in text for text, answer in thinned) / len(thinned)


def test_the_curve_has_the_shape_that_the_surviving_facts_give_it(
    endpoint: ScriptedUpstream, task_path: Path
) -> None:
    plan = Plan.of(["0.9", "0.7", "0.5"], ["uniform", "weighted"])
    trials = [trial for trial in plan.trials if trial.method.name not in BASELINES]
    sweep = TaskSweep(["where_they_waited"], endpoint.url, "gpt-4o", task_path)

    measured = [accuracy for trial in trials for accuracy in sweep.accuracies(trial)]

    assert [(a.metric, a.method, a.keep_ratio, a.questions) for a in measured] == [
        ("exact_match", trial.method.name, trial.keep_ratio.share, len(DOCUMENTS))
        for trial in trials
    ]
    assert [a.value for a in measured] == [share_of_surviving_answers(trial) for trial in trials]
    assert measured[0].value == 1.0
    uniform = [a.value for a in measured if a.method == "uniform"]
    assert sorted(uniform, reverse=True) == uniform
    assert uniform[-1] < 0.7


def test_an_endpoint_that_cannot_be_reached_is_named_on_one_line(task_path: Path) -> None:
    sweep = TaskSweep(
        ["where_they_waited"],
        "http://127.0.0.1:9/v1",
        "gpt-4o",
        task_path,
        limit=1,
        model_options={"max_retries": 1},
    )

    with pytest.raises(TasksFailed) as failed:
        list(sweep.accuracies(THE_ORIGINAL))

    assert len(str(failed.value).splitlines()) == 1


def test_a_task_that_nobody_defined_is_refused(endpoint: ScriptedUpstream) -> None:
    sweep = TaskSweep(["no_such_task"], endpoint.url, "gpt-4o")

    with pytest.raises(TasksFailed, match="no_such_task"):
        list(sweep.accuracies(THE_ORIGINAL))
