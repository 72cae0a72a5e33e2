"""The real encodings: tiktoken, on vocabularies that come with the package.

`tiktoken.get_encoding` downloads a vocabulary or trusts a cache directory, so
the encodings are built here from files of our own, checked by tiktoken's sums.
"""

import gc
import gzip
import hashlib
import logging
from binascii import a2b_base64
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from itertools import count
from threading import Lock, Thread
from types import MappingProxyType
from typing import Any, Final

from attrs import field, frozen
from tiktoken import Encoding

from ...domain.compression.encodings import encoding_of_model
from ...domain.compression.tokenizer import Tokenizer
from .. import compression

_log = logging.getLogger(__name__)


class DamagedVocabulary(RuntimeError):
    """A vocabulary file that is not the one that was packaged."""


@frozen
class Vocabulary:
    """What makes an encoding: its ranks by checksum, how it splits text, its special tokens."""

    sha256: str
    pattern: str
    special_tokens: Mapping[str, int]


# Patterns, special tokens and sums as tiktoken_ext.openai_public has them: its
# functions cannot be asked for these without loading the ranks its own way.
VOCABULARIES: Final[Mapping[str, Vocabulary]] = MappingProxyType(
    {
        "cl100k_base": Vocabulary(
            sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
            pattern=(
                r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
                r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
            ),
            special_tokens={
                "<|endoftext|>": 100257,
                "<|fim_prefix|>": 100258,
                "<|fim_middle|>": 100259,
                "<|fim_suffix|>": 100260,
                "<|endofprompt|>": 100276,
            },
        ),
        "o200k_base": Vocabulary(
            sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
            pattern=(
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
                r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
                r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            ),
            special_tokens={"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
        ),
    }
)


def load_encoding(name: str) -> Encoding:
    """Build the encoding `name` anew; a fifth to half a second of work.

    Raises KeyError if it is not packaged, DamagedVocabulary if its file is not
    the one that was.
    """
    vocabulary = VOCABULARIES[name]
    packed = files(compression).joinpath("vocabularies", f"{name}.tiktoken.gz").read_bytes()
    with _no_garbage_collection():
        return _LightEncoding(
            name,
            pat_str=vocabulary.pattern,
            mergeable_ranks=read_ranks(name, packed, vocabulary.sha256),
            special_tokens=dict(vocabulary.special_tokens),
        )


class _LightEncoding(Encoding):
    """An encoding without the table that it was built from: 33 MiB that only pickling reads."""

    def __init__(self, name: str, **made_of: Any) -> None:
        super().__init__(name, **made_of)
        self._mergeable_ranks = {}

    def __reduce__(self) -> tuple[Callable[[str], Encoding], tuple[str]]:
        """Pickle it by its name: whoever unpickles it has the package as well."""
        return load_encoding, (self.name,)


def read_ranks(name: str, packed: bytes, sha256: str) -> dict[bytes, int]:
    """The rank of each token, from a gzip-compressed rank file of tiktoken's.

    Raises DamagedVocabulary if its content has another checksum.
    """
    try:
        content = gzip.decompress(packed)
    except (OSError, EOFError) as error:
        raise DamagedVocabulary(f"{name}: the vocabulary cannot be unpacked") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DamagedVocabulary(f"{name}: the vocabulary is not the one that was packaged")
    # Lines of "base64 rank", and in both files the ranks count up from 0.
    return dict(zip(map(a2b_base64, content.split()[::2]), count()))


@contextmanager
def _no_garbage_collection() -> Generator[None]:
    """Keep the collector from walking hundreds of thousands of new objects again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@frozen
class Vocabularies:
    """The packaged encodings, each loaded when it is first needed and then kept."""

    _load: Callable[[str], Tokenizer] = field(default=load_encoding, repr=False, eq=False)
    _loaded: dict[str, Tokenizer] = field(factory=dict[str, Tokenizer], init=False, repr=False)
    _lock: Lock = field(factory=Lock, init=False, repr=False, eq=False)

    def encoding(self, name: str) -> Tokenizer:
        """The encoding called `name`. Raises KeyError if it is not packaged."""
        loaded = self._loaded.get(name)
        if loaded is None:
            with self._lock:
                loaded = self._loaded.get(name) or self._load(name)
                self._loaded[name] = loaded
        return loaded

    def tokenizer_for(self, model: str) -> Tokenizer:
        """The encoding whose tokens `model` bills; never fails, whatever the name.

        >>> Vocabularies().tokenizer_for("gpt-4o").name
        'o200k_base'
        """
        return self.encoding(encoding_of_model(model).name)

    def warm_up(self) -> None:
        """Load the usual encoding in the background, so that no request waits for it."""
        Thread(target=self._load_usual, name="vocabulary", daemon=True).start()

    @property
    def are_warm(self) -> bool:
        """Whether any is loaded."""
        return bool(self._loaded)

    def _load_usual(self) -> None:
        try:
            self.tokenizer_for("")
        except (DamagedVocabulary, OSError):
            _log.exception("The vocabulary cannot be loaded, so this process never becomes ready")


_packaged = Vocabularies()


def tokenizer_for(model: str) -> Tokenizer:
    """The encoding whose tokens `model` bills, loaded once in a process."""
    return _packaged.tokenizer_for(model)
