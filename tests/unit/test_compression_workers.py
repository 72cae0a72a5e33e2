"""When the workers are warm: once the vocabulary stands, and never if it cannot be loaded."""

import threading
from collections.abc import Generator

import pytest
from tests.fakes import FakeTokenizer
from tests.waiting import wait_until

from openai_proxy.adapters.compression.workers import CompressionWorkers
from openai_proxy.domain.compression.tokenizer import Tokenizer


@pytest.fixture
def may_load() -> Generator[threading.Event]:
    """Loading waits for it; at the end nothing waits any more."""
    event = threading.Event()
    yield event
    event.set()


def test_workers_that_were_not_asked_to_load_anything_are_warm() -> None:
    assert CompressionWorkers(lambda _: FakeTokenizer()).is_warm


def test_workers_are_warm_once_the_vocabulary_is_loaded(may_load: threading.Event) -> None:
    def load(_: str) -> Tokenizer:
        may_load.wait()
        return FakeTokenizer()

    workers = CompressionWorkers(load)
    workers.warm_up()
    was_warm = workers.is_warm
    may_load.set()

    wait_until(lambda: workers.is_warm)
    assert not was_warm


def test_a_vocabulary_that_cannot_be_loaded_is_logged_once_and_leaves_them_cold(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def load(_: str) -> Tokenizer:
        raise RuntimeError("damaged")

    workers = CompressionWorkers(load)
    workers.warm_up()

    wait_until(lambda: bool(caplog.records))
    assert [workers.is_warm for _ in range(3)] == [False] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "The vocabulary cannot be loaded, so this process never becomes ready"
    ]
