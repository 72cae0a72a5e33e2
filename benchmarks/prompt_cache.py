"""What a conversation costs where the provider caches prompts, by how its messages are thinned.

python -m benchmarks.prompt_cache [--turns 20] [--user 400] [--cached-price 0.1]

Each turn sends all that was said before. What it shares with the request
before it is read from the cache, from 1024 tokens on in steps of 128, at a
fraction of the price. All texts are made of what ships with the repository.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from itertools import takewhile
from typing import Final

import click
from attrs import frozen
from rich.console import Console
from rich.table import Table

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.text import compress_text
from openai_proxy.domain.evaluation.conversations import MESSAGE_TOKENS, cached_prefix

from .texts import text_of

TOKENIZER: Final = tokenizer_for("gpt-4o")
SHARES: Final = (Fraction(9, 10), Fraction(7, 10), Fraction(5, 10))
RECENT_TURNS: Final = 2

# A message of a request, as tokens. Those that the chat format adds say whose it is.
Message = Sequence[int]
Thinning = Callable[[str, Fraction, int, int], str]
"""From a user's text, a keep ratio, its turn and the turn that is sent to what is sent."""


def as_it_is(text: str, share: Fraction, said_in: int, sent_in: int) -> str:
    """No compression at all."""
    del share, said_in, sent_in
    return text


def stable(text: str, share: Fraction, said_in: int, sent_in: int) -> str:
    """The same bytes on every turn, as the proxy sends them."""
    del said_in, sent_in
    return _thinned(text, share, b"")


def drawn_anew(text: str, share: Fraction, said_in: int, sent_in: int) -> str:
    """Other tokens on every turn, as a generator without a fixed seed removes them."""
    del said_in
    return _thinned(text, share, b"turn %d" % sent_in)


def old_ones_only(text: str, share: Fraction, said_in: int, sent_in: int) -> str:
    """Thinned once it is no longer recent: each turn changes a message of an earlier one."""
    return text if sent_in - said_in < RECENT_TURNS else _thinned(text, share, b"")


WAYS: Final[dict[str, Thinning]] = {
    "as it is": as_it_is,
    "the same bytes on every turn": stable,
    "drawn anew on every turn": drawn_anew,
    f"only what is {RECENT_TURNS} turns old": old_ones_only,
}


@frozen
class Said:
    """How long the parts of a conversation are, in tokens."""

    turns: int
    system: int
    user: int
    answer: int


@frozen
class Bill:
    """What all requests of a conversation add up to."""

    prompt: int = 0
    cached: int = 0

    def cost(self, cached_price: float) -> float:
        """In tokens that are not cached."""
        return self.prompt - self.cached + cached_price * self.cached


def bill(said: Said, share: Fraction, thin: Thinning) -> Bill:
    """Send the conversation turn by turn."""
    total, before = Bill(), list[Message]()
    for turn in range(1, said.turns + 1):
        request = _request(said, share, thin, turn)
        prompt = _tokens(request)
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(_flat(before), _flat(request)))  # noqa: B905 - one goes on
        total = Bill(total.prompt + prompt, total.cached + cached_prefix(sum(1 for _ in shared)))
        before = request
    return total


def _request(said: Said, share: Fraction, thin: Thinning, sent_in: int) -> list[Message]:
    request = [_message(_text("English", said.system, 0))]
    for turn in range(1, sent_in + 1):
        request.append(_message(thin(_text("English", said.user, turn), share, turn, sent_in)))
        if turn < sent_in:
            request.append(_message(_text("German", said.answer, turn)))
    return request


@cache
def _text(script: str, tokens: int, seed: int) -> str:
    return text_of(script, tokens, TOKENIZER, seed)


@cache
def _message(text: str) -> Message:
    # Negative numbers stand for what the chat format adds.
    return (*range(-MESSAGE_TOKENS, 0), *TOKENIZER.encode(text, disallowed_special=()))


def _flat(request: Sequence[Message]) -> list[int]:
    return [token for message in request for token in message]


def _tokens(request: Sequence[Message]) -> int:
    return sum(map(len, request))


@cache
def _thinned(text: str, share: Fraction, salt: bytes) -> str:
    return compress_text(text, KeepRatio(share), TOKENIZER, salt=salt).text


@click.command()
@click.option("--turns", default=20, show_default=True)
@click.option("--system", default=600, show_default=True, help="Tokens of the system message.")
@click.option("--user", default=400, show_default=True, help="Tokens of each user's message.")
@click.option("--answer", default=200, show_default=True, help="Tokens of each answer.")
@click.option("--cached-price", default=0.1, show_default=True, help="Of a cached token.")
def main(*, turns: int, system: int, user: int, answer: int, cached_price: float) -> None:
    """Print what each way costs, relative to no compression."""
    said = Said(turns, system, user, answer)
    whole = bill(said, Fraction(1), as_it_is)
    table = Table("messages of the user", "keep ratio", "sent", "cached", "cost", "uncached cost")
    for name, thin in WAYS.items():
        for share in SHARES if thin is not as_it_is else (Fraction(1),):
            made = bill(said, share, thin)
            table.add_row(
                name,
                f"{float(share):g}",
                f"{made.prompt:,}",
                f"{made.cached:,}",
                f"{made.cost(cached_price) / whole.cost(cached_price):.2f}",
                f"{made.prompt / whole.prompt:.2f}",
            )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
