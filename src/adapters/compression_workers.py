"""Compressing bodies beside the event loop."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from ..domain.body_compression import CompressedBody, compress_body, compress_frame
from ..domain.policy import CompressionPolicy
from ..domain.ports import Tokenizer


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

    @property
    def is_warm(self) -> bool:
        """Whether no loading is under way."""
        return self._warming is None or self._warming.done()

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

    async def _run(
        self, compress: Callable[[Callable[[], bool]], CompressedBody]
    ) -> CompressedBody:
        abandoned = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, compress, abandoned.is_set
            )
        finally:
            abandoned.set()

    def close(self) -> None:
        """Let the running compressions end and take no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
