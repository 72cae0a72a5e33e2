"""The tokens of tiktoken, several times faster: quicktok, which the extra `fast` brings."""

# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import logging
import re
from collections.abc import Collection, Sequence
from typing import Any, Final

from attrs import field, frozen

from ...domain.compression.tokenizer import Tokenizer
from .tokenizer import Vocabularies, load_encoding

_log = logging.getLogger(__name__)

# What Unicode 17 added is letters and marks to quicktok, but not yet to tiktoken,
# and they part words otherwise. Two narrow searches are ten times as fast as one
# for exactly these; of other characters the second one finds only rare ones.
_OF_THE_BASIC_PLANE = re.compile(
    "[\u088f\u0c5c\u0cdc\u1acf-\u1aeb\ua7ce-\ua7d4\ua7f1\ud800-\udfff]"
)
_OF_OTHER_PLANES = re.compile("[\U00010940-\U0001e6ff\U0002b73a-\U00033479]")

_SAMPLE: Final = (
    "It's 12,345.67 USD\u2014isn't it?\r\n\r\n  def f(x):\n\treturn x  # <|endoftext|>\n"
    "Straße, ÉCOLE, Ελλάδα, Россия; 漢字とかな 한국어 नमस्ते สวัสดี مرحبا שלום "
    'e\u0301 n\u0303 👩\u200d🚀👍🏽🇩🇪 𝒳²½ \u00a0\u2003  {"a": [1, null]}///\n\n   !'
)


@frozen(eq=False)
class FastEncoding:
    """An encoding of tiktoken's whose tokens quicktok finds, wherever both find the same."""

    _reference: Tokenizer
    _fast: Any = field(repr=False)

    @property
    def name(self) -> str:
        return self._reference.name

    def encode(self, text: str, *, disallowed_special: Collection[str] = ()) -> list[int]:
        """As tiktoken, which alone is asked about what the two may see differently."""
        if disallowed_special or (
            not text.isascii()
            and (_OF_THE_BASIC_PLANE.search(text) or _OF_OTHER_PLANES.search(text))
        ):
            return self._reference.encode(text, disallowed_special=disallowed_special)
        tokens: list[int] = self._fast.encode_ordinary(text)
        return tokens

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        return self._reference.decode_tokens_bytes(tokens)


def load_fast_encoding(name: str) -> Tokenizer:
    """Build the encoding `name` anew, or tiktoken's own if the other one's tokens differ.

    Raises KeyError if it is not packaged, DamagedVocabulary if its file is not
    the one that was, ImportError if the extra `fast` is not installed.
    """
    import quicktok  # noqa: PLC0415 - an extra brings it.

    return fast_if_identical(load_encoding(name), quicktok.get_encoding(name))


def fast_if_identical(reference: Tokenizer, fast: Any) -> Tokenizer:
    """The `reference`, or what finds its tokens faster if both find the same in a sample."""
    if fast.encode_ordinary(_SAMPLE) == reference.encode(_SAMPLE, disallowed_special=()):
        return FastEncoding(reference, fast)
    _log.warning("quicktok does not find the tokens of %s, so tiktoken does", reference.name)
    return reference


_packaged = Vocabularies(load_fast_encoding)


def tokenizer_for(model: str) -> Tokenizer:
    """The encoding whose tokens `model` bills, loaded once in a process.

    Raises ImportError if the extra `fast` is not installed.
    """
    return _packaged.tokenizer_for(model)
