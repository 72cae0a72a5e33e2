"""Compressing bodies beside the event loop."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from ...domain.bodies.body_compression import CompressedBody, compress_body, compress_frame
from ...domain.bodies.compression_question import read_question
from ...domain.bodies.explanation import explanation
from ...domain.compression.strategies import Strategy
from ...domain.control.policy import CompressionPolicy
from ...domain.ports import Tokenizer

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class CompressionWorkers:
    """As many compressions at a time as there are processors; the rest wait their turn.

    Threads suffice: tiktoken releases the interpreter lock, and the interpreter
    lends it on every few milliseconds otherwise.
    """

    def __init__(self, tokenizer_for: Callable[[str], Tokenizer]) -> None:
        self._tokenizer_for = tokenizer_for
        self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="compression")
        self._warming: Future[Tokenizer] | None = None

    def warm_up(self) -> None:
        """Load the usual vocabulary in the background, so that no request waits for it."""
        self._warming = self._threads.submit(self._tokenizer_for, "")
        self._warming.add_done_callback(_log_failure)

    @property
    def is_warm(self) -> bool:
        """Whether the vocabulary is loaded, if `warm_up` was to load it."""
        return self._warming is None or _has_succeeded(self._warming)

    async def compress(
        self, body: bytes, endpoint: str, policy: CompressionPolicy
    ) -> CompressedBody:
        """As `compress_body`; work that nobody waits for any more stops."""
        return await self._run(
            lambda is_cancelled: compress_body(
                body, endpoint, policy, self._tokenizer_for, is_cancelled=is_cancelled
            )
        )

    async def compress_frame(self, frame: bytes, policy: CompressionPolicy) -> CompressedBody:
        """As the domain's `compress_frame`, in the same way."""
        return await self._run(
            lambda is_cancelled: compress_frame(
                frame, policy, self._tokenizer_for, is_cancelled=is_cancelled
            )
        )

    async def explain(
        self, raw: bytes, policy: CompressionPolicy, strategies: Mapping[str, Strategy]
    ) -> dict[str, Any]:
        """What would become of the text or the request that `raw` asks about.

        Raises BadRequest, as `read_question` does.
        """

        def answer(is_cancelled: Callable[[], bool]) -> dict[str, Any]:
            asked = read_question(raw, policy, strategies)
            compressed = compress_body(
                asked.body,
                asked.endpoint,
                asked.policy,
                self._tokenizer_for,
                is_cancelled=is_cancelled,
            )
            return explanation(compressed, policy.salt)

        return await self._run(answer)

    async def _run(self, work: Callable[[Callable[[], bool]], Result]) -> Result:
        abandoned = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, work, abandoned.is_set
            )
        finally:
            abandoned.set()

    def close(self) -> None:
        """Let the running compressions end and take no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _has_succeeded(warming: Future[Tokenizer]) -> bool:
    return warming.done() and not warming.cancelled() and warming.exception() is None


def _log_failure(warming: Future[Tokenizer]) -> None:
    if not warming.cancelled() and (error := warming.exception()):
        _log.error(
            "The vocabulary cannot be loaded, so this process never becomes ready", exc_info=error
        )
