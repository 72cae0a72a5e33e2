"""The proxy describes its own pages to programs, and to those alone who may see them."""

import json

from tests.raw_client import Answer, RawClient, connected
from tests.running_proxy import StartProxy
from tests.scripted_upstream import ScriptedUpstream


def _described(answer: Answer) -> dict[str, dict[str, object]]:
    paths: dict[str, dict[str, object]] = json.loads(answer.body)["paths"]
    return paths


def test_every_page_described_is_there(client: RawClient, upstream: ScriptedUpstream) -> None:
    got = client.ask(b"GET", b"/_proxy/docs")
    paths = _described(got)

    assert (got.status, got.values(b"content-type")) == (200, [b"application/json"])
    asked = {path: client.ask(b"GET", path.encode()).status for path in paths}
    assert asked == {path: 200 if "get" in methods else 405 for path, methods in paths.items()}
    assert upstream.requests == []


def test_what_holds_without_being_asked_for_is_what_the_settings_say(
    start_proxy: StartProxy,
) -> None:
    proxy = start_proxy(
        COMPRESSION_RATIO="4", COMPRESSION_STRATEGY="weighted", COMPRESSION_PROTECT="urls,code"
    )

    with connected(proxy.address) as client:
        document = json.loads(client.ask(b"GET", b"/_proxy/docs").body)

    asked = document["paths"]["/_proxy/compress"]["post"]["requestBody"]
    for question in asked["content"]["application/json"]["schema"]["oneOf"]:
        fields = question["properties"].items()
        assert {name: field["default"] for name, field in fields if "default" in field} == {
            "tokens_to_keep_ratio": 0.25,
            "strategy": "weighted",
            "protect": ["code", "urls"],
        }


def test_strangers_do_not_see_it(client: RawClient) -> None:
    got = client.ask(b"GET", b"/_proxy/docs", [(b"X-Forwarded-For", b"203.0.113.9")])

    assert (got.status, json.loads(got.body)["error"]["code"]) == (401, "unauthorized")
