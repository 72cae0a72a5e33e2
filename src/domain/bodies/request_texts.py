"""Which strings of a request body are texts that somebody wrote for the model.

chat         the `content` of messages, and the `text` of its parts of type `text`
responses    `input` itself; the `content` of its messages, and the `text` of
             their parts of type `input_text` and `output_text`; the `output` of
             function calls, under the role `tool`
completions  `prompt`, or each string in it

Text without a role of its own is the user's. All else is never touched:
`instructions`, ids, names, arguments of calls, reasoning, references, and
whatever is of a type not named here.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from attrs import frozen

from .cancellation import Check, never_cancelled
from .json_spans import JsonReader, Span

MOST_TEXTS = 10_000


class UnexpectedShape(ValueError):
    """The body is JSON, but not a request that could be understood."""


class TooManyTexts(ValueError):
    """The body holds more texts than `MOST_TEXTS`."""


class OtherEvent(ValueError):
    """A frame of a WebSocket that asks for no response."""


@frozen
class TextPlace:
    """Where a text stands in a body, and whose it is."""

    pointer: str
    """A JSON Pointer (RFC 6901), such as `/messages/0/content`."""
    role: str
    span: Span
    """Its string literal, quotes included."""
    turn: int
    """How many messages of users the request holds up to here, a message around it included.

    So nothing that a later request adds at the end changes it.
    """


@frozen
class RequestTexts:
    """The texts of a request that the wanted roles wrote, in the body's order."""

    model: str
    """As the request names it; empty if it names none."""
    places: tuple[TextPlace, ...]


def texts_of_body(
    body: bytes, endpoint: str, roles: AbstractSet[str], check: Check = never_cancelled
) -> RequestTexts:
    """Find the texts in a request body of `endpoint`, having checked all of it.

    Raises UnexpectedShape, TooManyTexts, or what a JsonReader raises.
    """
    reader = JsonReader.at_start_of(body, check=check)
    texts = _read_request(reader, "", endpoint, roles)
    reader.expect_end()
    return texts


def texts_of_frame(
    frame: bytes, roles: AbstractSet[str], check: Check = never_cancelled
) -> RequestTexts:
    """Find the texts in a WebSocket frame that asks for a response.

    The request stands in the event itself, as the Responses API has it; some
    clients wrap it in a member `response`, as the Realtime API does. Raises
    OtherEvent for any other event, and whatever `texts_of_body` raises.
    """
    reader = JsonReader.at_start_of(frame, check=check)
    _expect_object(reader)
    request, pointer, event = reader.bookmark(), "", None
    for key in reader.members({"type", "response"}):
        if key == "type":
            event = reader.name()
        elif reader.is_at_object:
            request, pointer = reader.bookmark(), "/response"
    reader.expect_end()
    if event != "response.create":
        raise OtherEvent
    return _read_request(request, pointer, "responses", roles)


def _read_request(
    reader: JsonReader, pointer: str, endpoint: str, roles: AbstractSet[str]
) -> RequestTexts:
    _expect_object(reader)
    member, find_places = _ENDPOINTS[endpoint]
    model: str | None = ""
    places: tuple[TextPlace, ...] = ()
    for key in reader.members({"model", member}):
        if key == "model":
            model = reader.name()
        else:
            places = _at_most(MOST_TEXTS, find_places(reader, f"{pointer}/{member}", roles))
    if model is None:
        raise UnexpectedShape
    return RequestTexts(model, places)


def _expect_object(reader: JsonReader) -> None:
    if not reader.is_at_object:
        reader.skip()
        raise UnexpectedShape


def _at_most(count: int, found: Iterator[TextPlace]) -> tuple[TextPlace, ...]:
    places = tuple(itertools.islice(found, count))
    for _ in found:
        raise TooManyTexts
    return places


def _chat_places(reader: JsonReader, pointer: str, roles: AbstractSet[str]) -> Iterator[TextPlace]:
    turn = 0
    for index in reader.elements():
        role = content = None
        for key in reader.members({"role", "content"}):
            if key == "role":
                role = reader.name()
            else:
                content = reader.string() or reader.bookmark()
        turn += role == "user"
        if content is not None and role is not None and role in roles:
            pointer_here = f"{pointer}/{index}/content"
            yield from _content_places(content, pointer_here, role, turn, {"text"})


def _responses_places(
    reader: JsonReader, pointer: str, roles: AbstractSet[str]
) -> Iterator[TextPlace]:
    if literal := reader.string():
        if "user" in roles:
            yield TextPlace(pointer, "user", literal, turn=1)
        return
    turn = 0
    for index in reader.elements():
        item = _read_item(reader)
        turn += item.role == "user"
        if item.content is not None and item.role in roles:
            pointer_here = f"{pointer}/{index}/{item.member}"
            yield from _content_places(item.content, pointer_here, item.role, turn, _ITEM_PARTS)


@frozen
class _Item:
    """What an item of the Responses API says, and who says it; empty if it is no text."""

    role: str = ""
    member: str = "content"
    content: Span | JsonReader | None = None


_ITEM_PARTS = frozenset({"input_text", "output_text"})


def _read_item(reader: JsonReader) -> _Item:
    # An item without a type is a message; a reference has no content.
    kind: str | None = "message"
    role = content = output = None
    for key in reader.members({"type", "role", "content", "output"}):
        match key:
            case "type":
                kind = reader.name()
            case "role":
                role = reader.name()
            case "content":
                content = reader.string() or reader.bookmark()
            case _:
                output = reader.string() or reader.bookmark()
    if kind == "function_call_output":
        return _Item("tool", "output", output)
    if kind == "message" and role is not None:
        return _Item(role, "content", content)
    return _Item()


def _completions_places(
    reader: JsonReader, pointer: str, roles: AbstractSet[str]
) -> Iterator[TextPlace]:
    if "user" not in roles:
        return
    if literal := reader.string():
        yield TextPlace(pointer, "user", literal, turn=1)
        return
    for index in reader.elements():
        if literal := reader.string():
            # Each of several prompts begins anew.
            yield TextPlace(f"{pointer}/{index}", "user", literal, turn=1)


def _content_places(
    content: Span | JsonReader, pointer: str, role: str, turn: int, kinds: AbstractSet[str]
) -> Iterator[TextPlace]:
    if isinstance(content, Span):
        yield TextPlace(pointer, role, content, turn)
        return
    for index in content.elements():
        kind = text = None
        for key in content.members({"type", "text"}):
            if key == "type":
                kind = content.name()
            else:
                text = content.string()
        if text is not None and kind in kinds:
            yield TextPlace(f"{pointer}/{index}/text", role, text, turn)


_PlaceFinder = Callable[[JsonReader, str, AbstractSet[str]], Iterator[TextPlace]]

_ENDPOINTS: Mapping[str, tuple[str, _PlaceFinder]] = {
    "chat": ("messages", _chat_places),
    "responses": ("input", _responses_places),
    "completions": ("prompt", _completions_places),
}
