"""Stand-ins for what the domain needs from the world."""

import re
from collections.abc import Collection, Sequence

from attrs import frozen


@frozen
class FakeTokenizer:
    """Tokens of up to three bytes, with the habits of the real ones and no vocabulary.

    A space belongs to the word behind it, a token may end inside a character,
    and what was apart becomes one token once nothing stands between.
    """

    name: str = "fake"

    def encode(self, text: str, *, disallowed_special: Collection[str] = ()) -> list[int]:
        del disallowed_special
        return [int.from_bytes(b"\1" + spelling) for spelling in _SPELLINGS.findall(text.encode())]

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        return [token.to_bytes(5).lstrip(b"\0")[1:] for token in tokens]


_SPELLINGS = re.compile(
    rb" ?[a-z]{1,3}| ?[A-Z][a-z]{0,2}|[0-9]{1,2}|[\x80-\xff]{1,2}|\r?\n|[ \t]{1,3}|[^\x80-\xff]"
)
