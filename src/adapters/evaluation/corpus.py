"""Where conversations to evaluate come from: text files, chat requests as JSON lines, a sample."""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import IO, Final

from ...domain.bodies.json_spans import DuplicateKey, LoneSurrogate, NotJson, TooDeep, read_string
from ...domain.bodies.request_texts import TextPlace, TooManyTexts, UnexpectedShape, texts_of_body
from ...domain.evaluation.conversations import Conversation, Message
from .. import evaluation

PART_CHARACTERS: Final = 64 * 1024
LONGEST_REQUEST_BYTES: Final = 32 * 1024 * 1024

_ROLES: Final = frozenset({"user", "system", "developer", "assistant", "tool", "function"})
_SAMPLE: Final = files(evaluation).joinpath("sample.jsonl")


class UnreadableCorpus(ValueError):
    """A corpus that cannot be read; the message is one line that says where and why."""


def read_corpus(paths: Iterable[Path]) -> Iterator[Conversation]:
    """The conversations of each file, or of each file in a directory, in order.

    A `.jsonl` file holds a chat request a line. Any other is text in UTF-8: a
    question, or several if it is longer than 64 Ki characters. Raises
    UnreadableCorpus.
    """
    for path in paths:
        for file in _files(path):
            try:
                yield from _read_file(file)
            except OSError as error:
                raise UnreadableCorpus(f"{file}: {error.strerror or error}") from error
            except UnicodeDecodeError as error:
                raise UnreadableCorpus(f"{file}: is not text in UTF-8") from error


def read_sample() -> Iterator[Conversation]:
    """A few questions and conversations in several scripts, which come with the package."""
    with _SAMPLE.open("rb") as file:
        yield from _read_requests("sample", file)


def _files(path: Path) -> Iterable[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _read_file(path: Path) -> Iterator[Conversation]:
    if path.suffix == ".jsonl":
        with path.open("rb") as requests:
            yield from _read_requests(str(path), requests)
    else:
        with path.open(encoding="utf-8-sig", newline="") as text:
            yield from map(Conversation.of_text, _parts(text))


def _parts(file: IO[str]) -> Iterator[str]:
    """The text in parts that end with a line, unless a line is as long as a part."""
    while part := file.read(PART_CHARACTERS):
        part += file.readline(PART_CHARACTERS)
        if part.strip():
            yield part


def _read_requests(name: str, file: IO[bytes]) -> Iterator[Conversation]:
    for number, line in enumerate(iter(lambda: file.readline(LONGEST_REQUEST_BYTES), b""), 1):
        if line.strip():
            try:
                yield _conversation(line)
            except (DuplicateKey, LoneSurrogate, NotJson, TooDeep) as error:
                raise UnreadableCorpus(f"{name}, line {number}: is not sound JSON") from error
            except (TooManyTexts, UnexpectedShape) as error:
                raise UnreadableCorpus(f"{name}, line {number}: is not a chat request") from error


def _conversation(body: bytes) -> Conversation:
    """What the proxy would find in a chat request, its other roles included."""
    places = texts_of_body(body, "chat", _ROLES).places
    messages = [
        Message(role, tuple(read_string(body, place.span) for place in parts))
        for (role, _), parts in groupby(places, key=_message_of)
    ]
    if not messages:
        raise UnexpectedShape
    return Conversation(tuple(messages))


def _message_of(place: TextPlace) -> tuple[str, str]:
    """Whose text it is, and in which message: the `3` of `/messages/3/content/0/text`."""
    return place.role, place.pointer.split("/")[2]
