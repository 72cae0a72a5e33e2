"""When the vocabularies are warm: once one stands, and never if it cannot be loaded."""

import threading
from collections.abc import Generator

import pytest
from tests.fakes import FakeTokenizer
from tests.waiting import wait_until

from openai_proxy.adapters.compression.tokenizer import DamagedVocabulary, Vocabularies
from openai_proxy.domain.compression.tokenizer import Tokenizer


@pytest.fixture
def may_load() -> Generator[threading.Event]:
    """Loading waits for it; at the end nothing waits any more."""
    event = threading.Event()
    yield event
    event.set()


def test_vocabularies_are_warm_once_the_usual_one_is_loaded(may_load: threading.Event) -> None:
    loaded: list[str] = []

    def load(name: str) -> Tokenizer:
        may_load.wait()
        loaded.append(name)
        return FakeTokenizer()

    vocabularies = Vocabularies(load)
    vocabularies.warm_up()
    were_warm = vocabularies.are_warm
    may_load.set()

    wait_until(lambda: vocabularies.are_warm)
    assert not were_warm
    assert loaded == ["o200k_base"]


def test_a_vocabulary_that_cannot_be_loaded_is_logged_once_and_leaves_them_cold(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def load(_: str) -> Tokenizer:
        raise DamagedVocabulary

    vocabularies = Vocabularies(load)
    vocabularies.warm_up()

    wait_until(lambda: bool(caplog.records))
    assert not vocabularies.are_warm
    assert [record.getMessage() for record in caplog.records] == [
        "The vocabulary cannot be loaded, so this process never becomes ready"
    ]
