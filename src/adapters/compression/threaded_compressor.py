"""Compressing bodies beside the event loop."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ...domain.bodies.body_compression import compress_body, compress_frame
from ...domain.bodies.cancellation import Cancelled, Check
from ...domain.bodies.compressed_body import CompressedBody
from ...domain.bodies.compression_question import read_question
from ...domain.bodies.explanation import explanation
from ...domain.compression.strategies import Strategy
from ...domain.control.policy import CompressionPolicy
from ...domain.ports import Tokenizer

Result = TypeVar("Result")


class ThreadedCompressor:
    """As many compressions at a time as there are `threads`; the rest wait their turn.

    Threads suffice: tiktoken releases the interpreter lock, and the interpreter
    lends it on every few milliseconds otherwise.
    """

    def __init__(self, tokenizer_for: Callable[[str], Tokenizer], *, threads: int) -> None:
        self._tokenizer_for = tokenizer_for
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="compression")

    async def compress(
        self, body: bytes, endpoint: str, policy: CompressionPolicy
    ) -> CompressedBody:
        return await self._run(
            lambda check: compress_body(body, endpoint, policy, self._tokenizer_for, check=check)
        )

    async def compress_frame(self, frame: bytes, policy: CompressionPolicy) -> CompressedBody:
        return await self._run(
            lambda check: compress_frame(frame, policy, self._tokenizer_for, check=check)
        )

    async def explain(
        self, raw: bytes, policy: CompressionPolicy, strategies: Mapping[str, Strategy]
    ) -> dict[str, Any]:
        def answer(check: Check) -> dict[str, Any]:
            asked = read_question(raw, policy, strategies)
            compressed = compress_body(
                asked.body, asked.endpoint, asked.policy, self._tokenizer_for, check=check
            )
            return explanation(compressed, policy.salt)

        return await self._run(answer)

    async def _run(self, work: Callable[[Check], Result]) -> Result:
        is_awaited = True

        def check() -> None:
            if not is_awaited:
                raise Cancelled

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, check)
        finally:
            is_awaited = False

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
