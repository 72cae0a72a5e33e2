"""How many bodies are compressed at a time, and for whom no longer."""

import asyncio
import threading

import pytest
from tests.fakes import FakeTokenizer
from tests.waiting import wait_until

from openai_proxy.adapters.compression.threaded_compressor import ThreadedCompressor
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.tokenizer import Tokenizer
from openai_proxy.domain.control.policy import CompressionPolicy

HALVING = CompressionPolicy(keep_ratio=KeepRatio.from_tokens_to_keep_ratio(0.5))
THREADS = 3
CHAT = b'{"messages": [{"role": "user", "content": "One, two, three, four, five."}]}'


class Held:
    """A tokenizer's source that holds up whoever comes to it, and counts them."""

    def __init__(self) -> None:
        self.begun = 0
        self.let_go = threading.Event()
        self._lock = threading.Lock()

    def tokenizer_for(self, _: str) -> Tokenizer:
        with self._lock:
            self.begun += 1
        self.let_go.wait()
        return FakeTokenizer()


def test_as_many_are_compressed_at_a_time_as_there_are_threads() -> None:
    held = Held()
    compressor = ThreadedCompressor(held.tokenizer_for, threads=THREADS)

    async def compress_many() -> int:
        asked = [
            asyncio.create_task(compressor.compress(CHAT, "chat", HALVING))
            for _ in range(4 * THREADS)
        ]
        await asyncio.to_thread(wait_until, lambda: held.begun == THREADS)
        # Time for one more to begin, if it could.
        await asyncio.sleep(0.05)
        begun = held.begun
        held.let_go.set()
        compressed = await asyncio.gather(*asked)
        assert all(len(each.body) < len(CHAT) for each in compressed)
        return begun

    begun = asyncio.run(compress_many())
    compressor.close()

    assert (begun, held.begun) == (THREADS, 4 * THREADS)


def test_whoever_leaves_while_waiting_for_a_turn_gets_none() -> None:
    held = Held()
    compressor = ThreadedCompressor(held.tokenizer_for, threads=THREADS)

    async def leave_the_queue() -> None:
        asked = [
            asyncio.create_task(compressor.compress(CHAT, "chat", HALVING))
            for _ in range(THREADS + 1)
        ]
        await asyncio.to_thread(wait_until, lambda: held.begun == THREADS)
        asked[-1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked[-1]
        held.let_go.set()
        await asyncio.gather(*asked[:-1])
        await compressor.compress(CHAT, "chat", HALVING)

    asyncio.run(leave_the_queue())
    compressor.close()

    assert held.begun == THREADS + 1
