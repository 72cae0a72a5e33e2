"""Texts of any length in many scripts, made of what ships with this repository and Python."""

import base64
import json
import json.decoder
import random
from collections.abc import Callable, Mapping
from inspect import getsource
from typing import Final

from openai_proxy.domain.compression.tokenizer import Tokenizer

from .prose import PROSE

EMOJI = [
    "👩\u200d🚀",
    "🏳️\u200d🌈",
    "👍🏽",
    "😀",
    "🎉",
    "👨\u200d👩\u200d👧\u200d👦",
    "🇩🇪",
    "🇯🇵",
    "❤️",
    "✌🏿",
    "🐈",
    "🤷\u200d♀️",
]
MARKS = ("", "", "\u0301", "\u0308", "\u0323\u0302")

Source = Callable[[random.Random], str]
"""Gives the next bit of a text."""


def _sentences(language: str, separator: str = " ") -> Source:
    sentences = PROSE[language].items.splitlines()
    return lambda chance: chance.choice(sentences) + chance.choice((separator, separator, "\n"))


def _marked(chance: random.Random) -> str:
    sentence = chance.choice(PROSE["English"].items.splitlines())
    return "".join(
        letter + chance.choice(MARKS) if letter.isalpha() else letter for letter in sentence
    )


def _records(chance: random.Random) -> str:
    record = {
        "id": chance.randrange(10**6),
        "name": chance.choice(["Ada", "Grace", "Linus"]),
        "price": round(chance.random() * 100, 2),
        "tags": chance.sample(["new", "sale", "gift", "used"], 2),
    }
    return json.dumps(record, indent=chance.choice((None, 2))) + ",\n"


def _code() -> Source:
    functions = getsource(json.decoder).split("\n\n")
    return lambda chance: chance.choice(functions) + "\n\n"


SOURCES: Final[Mapping[str, Source]] = {
    **{language: _sentences(language) for language in PROSE},
    "Chinese": _sentences("Chinese", ""),
    "Japanese": _sentences("Japanese", ""),
    "emoji": lambda chance: chance.choice(EMOJI) + chance.choice(("", "", " ")),
    "combining marks": _marked,
    "source code": _code(),
    "JSON": _records,
    "base64": lambda chance: base64.b64encode(chance.randbytes(57)).decode(),
    "one letter": lambda _: "a" * 100,
}


def text_of(script: str, tokens: int, tokenizer: Tokenizer, seed: int = 0) -> str:
    """A text of about so many tokens; another seed gives another text."""
    # A seeded generator: every run measures the same texts.
    chance = random.Random(f"{script} {tokens} {seed}")  # noqa: S311
    source = SOURCES[script]
    parts: list[str] = []
    missing = tokens
    while missing > 0:
        parts.append(source(chance))
        missing -= len(tokenizer.encode(parts[-1], disallowed_special=()))
    return _shortened("".join(parts), tokens, tokenizer)


def _shortened(text: str, tokens: int, tokenizer: Tokenizer) -> str:
    spelled = tokenizer.decode_tokens_bytes(tokenizer.encode(text, disallowed_special=())[:tokens])
    return b"".join(spelled).decode(errors="ignore")
