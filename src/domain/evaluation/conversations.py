"""What was said in a conversation, and what the provider bills for sending it turn by turn.

Each answer to the user took one request, which repeats all that was said
before. A text compresses to the same bytes on every turn, so a request begins
with the whole of the one before it; the provider's cache serves as many full
steps of that as there are, if it is long enough to be cached at all.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Final, Self

from attrs import frozen

from ..savings.prices import Prices

COMPRESSED_ROLE: Final = "user"

# As OpenAI documents prompt caching: from 1024 tokens on, in steps of 128.
SHORTEST_CACHED_PROMPT: Final = 1024
CACHE_STEP: Final = 128

# What the chat format adds to the texts: to each message with its role, and to the whole.
MESSAGE_TOKENS: Final = 4
PRIMING_TOKENS: Final = 3

_MILLION: Final = Decimal(1_000_000)


@frozen
class Message:
    """What one side said; its parts, where it has several, are compressed one by one."""

    role: str
    texts: tuple[str, ...]

    @property
    def is_compressed(self) -> bool:
        """Whether it is the user's: only those are thinned."""
        return self.role == COMPRESSED_ROLE


@frozen
class Conversation:
    """Messages in the order in which they were said."""

    messages: tuple[Message, ...]

    @classmethod
    def of_text(cls, text: str) -> Self:
        """A single question."""
        return cls((Message(COMPRESSED_ROLE, (text,)),))

    @property
    def compressed_texts(self) -> Iterator[str]:
        """The texts of the user's messages."""
        return (text for said in self.messages if said.is_compressed for text in said.texts)

    @property
    def ends_of_requests(self) -> Iterator[bool]:
        """For each message, whether a request ends with it: the user's, before another's turn."""
        compressed = [said.is_compressed for said in self.messages]
        for is_users, goes_on in pairwise([*compressed, False]):
            yield is_users and not goes_on


@frozen
class Replay:
    """What the requests of some conversations add up to."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Those of the prompt tokens that the provider reads from its cache."""

    def __add__(self, other: "Replay") -> "Replay":
        return Replay(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
        )

    def cost_without_cache(self, prices: Prices) -> Decimal:
        """What the prompts cost if each is read anew."""
        return self.prompt_tokens * prices.input / _MILLION

    def cost_with_cache(self, prices: Prices) -> Decimal:
        """What they cost where the provider remembers the request before."""
        fresh = self.prompt_tokens - self.cached_tokens
        return (fresh * prices.input + self.cached_tokens * prices.cached_input) / _MILLION


def replay(turns: Iterable[tuple[bool, int]]) -> Replay:
    """Send a conversation: for each message, whether a request ends with it, and its tokens."""
    total = Replay()
    tokens = shared = 0
    for ends_request, message_tokens in turns:
        tokens += message_tokens + MESSAGE_TOKENS
        if ends_request:
            total += Replay(1, tokens + PRIMING_TOKENS, cached_prefix(shared))
            shared = tokens
    return total


def cached_prefix(shared_tokens: int) -> int:
    """How many of the leading tokens that two requests share come from the cache.

    >>> cached_prefix(1000), cached_prefix(1500)
    (0, 1408)
    """
    if shared_tokens < SHORTEST_CACHED_PROMPT:
        return 0
    return shared_tokens - shared_tokens % CACHE_STEP
