"""Questions to compression: what would become of a text, or of a request.

    {"text": "...", "model": "gpt-4o"}
    {"request": {"model": "gpt-4o", "messages": [...]}, "endpoint": "chat"}

Both may bring `compression_ratio`, `tokens_to_keep_ratio`, `strategy` and
`protect`, which come before rules and settings. A text is taken for a user's
message in a chat of its own.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from attrs import evolve, frozen

from ..compression.keep_ratio import InvalidRatio, KeepRatio, RatioNames, resolve_keep_ratio
from ..compression.strategies import Strategy
from ..control.policy import ENDPOINTS, CompressionPolicy, RequestOverrides
from ..errors import BadRequest
from ..protection.protections import PROTECTIONS
from .json_spans import JsonReader

_RATIO_NAMES = RatioNames("compression_ratio", "tokens_to_keep_ratio")
_FIELDS = (
    *("text", "model", "request", "endpoint"),
    *("compression_ratio", "tokens_to_keep_ratio", "strategy", "protect"),
)


@frozen
class Question:
    """A body, where it would be sent, and what would be done to it."""

    body: bytes
    endpoint: str
    policy: CompressionPolicy


def question_about_text(text: str, model: str, policy: CompressionPolicy) -> Question:
    """What becomes of a single text: nothing but ratios and rules keeps it as it is."""
    message = {"role": "user", "content": text}
    return Question(
        json.dumps({"model": model, "messages": [message]}).encode(),
        "chat",
        evolve(
            policy,
            mode="on",
            endpoints=policy.endpoints | {"chat"},
            roles=policy.roles | {"user"},
        ),
    )


def question_about_request(body: bytes, endpoint: str, policy: CompressionPolicy) -> Question:
    """What becomes of a request; compression that is off or in shadow counts as on."""
    return Question(body, endpoint, evolve(policy, mode="on"))


def read_question(
    raw: bytes, policy: CompressionPolicy, strategies: Mapping[str, Strategy]
) -> Question:
    """The question that a JSON object asks. Raises BadRequest, which names the field."""
    asked = _object(raw)
    for field in asked:
        if field not in _FIELDS:
            raise BadRequest(f"{field}: no such field; known: {', '.join(_FIELDS)}.", param=field)
    wanted = evolve(
        policy,
        overrides=RequestOverrides(
            keep_ratio=_keep_ratio(asked),
            strategy=_strategy(asked.get("strategy"), strategies),
            protect=_protect(asked.get("protect")),
        ),
    )
    if ("text" in asked) == ("request" in asked):
        raise BadRequest("Either text or request must be given.", param="text")
    if "text" in asked:
        text, model = asked["text"], asked.get("model", "")
        return question_about_text(_string("text", text), _string("model", model), wanted)
    endpoint = _one_of("endpoint", asked.get("endpoint", "chat"), ENDPOINTS)
    if not isinstance(asked["request"], dict):
        raise BadRequest("request: it must be an object, the body of a request.", param="request")
    return question_about_request(_bytes_of_request(raw), endpoint, wanted)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body must be JSON.") from error
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.")
    return cast("dict[str, Any]", value)


def _bytes_of_request(raw: bytes) -> bytes:
    """The request as it is spelt in the question, so that it gets what the relay would do to it."""
    try:
        reader = JsonReader.at_start_of(raw)
        (span,) = [reader.value() for _ in reader.members({"request"})]
    except ValueError as error:
        why = "it must stand there once, as plain JSON in UTF-8, and not be nested too deep"
        raise BadRequest(f"request: {why}.", param="request") from error
    return raw[span.start : span.end]


def _keep_ratio(asked: Mapping[str, Any]) -> KeepRatio | None:
    ratios = [asked.get("compression_ratio"), asked.get("tokens_to_keep_ratio")]
    if ratios == [None, None]:
        return None
    for name, value in zip(("compression_ratio", "tokens_to_keep_ratio"), ratios, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float | str | None):
            raise BadRequest(f"{name}: it must be a number.", param=name)
    try:
        return resolve_keep_ratio(*ratios, names=_RATIO_NAMES)
    except InvalidRatio as invalid:
        raise BadRequest(f"{invalid}.", param=invalid.name) from invalid


def _strategy(name: object, strategies: Mapping[str, Strategy]) -> Strategy | None:
    return None if name is None else strategies[_one_of("strategy", name, strategies)]


def _protect(kinds: object) -> frozenset[str] | None:
    if kinds is None:
        return None
    if not isinstance(kinds, list):
        raise BadRequest("protect: it must be a list.", param="protect")
    chosen = cast("list[object]", kinds)
    return frozenset(_one_of("protect", kind, PROTECTIONS) for kind in chosen)


def _one_of(field: str, value: object, choices: Mapping[str, object] | tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise BadRequest(f"{field}: it must be one of {', '.join(choices)}.", param=field)
    return value


def _string(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"{field}: it must be a text.", param=field)
    return value
