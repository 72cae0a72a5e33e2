"""The port to a model's token encoding."""

from collections.abc import Collection, Sequence
from typing import Protocol


class Tokenizer(Protocol):
    """Text to tokens and back; a `tiktoken.Encoding` is one as it is."""

    @property
    def name(self) -> str:
        """The encoding's name, such as `o200k_base`."""
        ...

    def encode(self, text: str, *, disallowed_special: Collection[str] = ...) -> list[int]:
        """The tokens of `text`; with `disallowed_special=()`, special ones are plain text."""
        ...

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        """The bytes of each token; a token may end inside a character."""
        ...
