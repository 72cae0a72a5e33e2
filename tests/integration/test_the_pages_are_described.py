"""The proxy describes its own pages to programs, and to those alone who may see them."""

import json

from tests.raw_client import Answer, RawClient
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


def test_strangers_do_not_see_it(client: RawClient) -> None:
    got = client.ask(b"GET", b"/_proxy/docs", [(b"X-Forwarded-For", b"203.0.113.9")])

    assert (got.status, json.loads(got.body)["error"]["code"]) == (401, "unauthorized")
