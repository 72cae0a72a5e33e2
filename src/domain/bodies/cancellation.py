"""How work ends that nobody waits for any more."""

from collections.abc import Callable, Collection, Sequence

from attrs import field, frozen

from ..compression.tokenizer import Tokenizer

Check = Callable[[], None]
"""What long work calls every few milliseconds; it raises Cancelled to end the work."""


class Cancelled(BaseException):
    """Nobody waits for the result.

    No Exception, so that nobody on the way takes it for a failure of a tokenizer or a strategy.
    """


def never_cancelled() -> None:
    """The check of work that is wanted whatever happens."""


@frozen
class CheckedTokenizer:
    """A tokenizer that calls `check` before each text, so at least once a block of a long one."""

    tokenizer: Tokenizer
    # What is remembered for a tokenizer serves all who ask it.
    check: Check = field(eq=False)

    @property
    def name(self) -> str:
        return self.tokenizer.name

    def encode(self, text: str, *, disallowed_special: Collection[str] = ()) -> list[int]:
        self.check()
        return self.tokenizer.encode(text, disallowed_special=disallowed_special)

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        return self.tokenizer.decode_tokens_bytes(tokens)
