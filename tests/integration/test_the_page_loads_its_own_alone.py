"""`/_proxy/`: who may open the page, what it loads, and what it is confined to."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.raw_client import Answer, RawClient, connected
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import ScriptedUpstream

FILES = Path(__file__).parents[2] / "src" / "adapters" / "inbound" / "web"
PAGE = "/_proxy/"
FOLDER = "/_proxy/web/"
MEDIA_TYPES = {
    "css": b"text/css; charset=utf-8",
    "html": b"text/html; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}
KEY = b"pk-the-proxys-own"


class Elements(HTMLParser):
    """Every element with its attributes, and what stands inside scripts and styles."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str]] = []
        self.inline = ""
        self.feed(document)

    def handle_starttag(
        self,
        tag: str,  # noqa: ARG002 (the parser's)
        attrs: list[tuple[str, str | None]],
    ) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.cdata_elem in ("script", "style"):
            self.inline += data.strip()

    def values(self, *names: str) -> set[str]:
        return {value for name, value in self.attributes if name in names}


def get(client: RawClient, path: str) -> Answer:
    return client.ask(b"GET", path.encode())


def loaded(client: RawClient) -> dict[str, Answer]:
    """The page and whatever it loads, and what that loads in turn."""
    found: dict[str, Answer] = {}
    wanted = {PAGE}
    while wanted:
        path = wanted.pop()
        found[path] = get(client, path)
        wanted |= set(named_in(path, found[path].body.decode())) - found.keys()
    return found


def named_in(path: str, content: str) -> list[str]:
    if path == PAGE:
        return [value for value in Elements(content).values("src", "href") if FOLDER in value]
    imports = re.findall(r"^import .* from \"\./(.*)\";$", content, re.MULTILINE)
    return [FOLDER + name for name in imports]


def test_it_loads_all_the_files_there_are_and_no_others(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    page = loaded(client)

    names = {path.removeprefix(FOLDER) for path in page if path != PAGE} | {"index.html"}
    assert names == {file.name for file in FILES.iterdir()}
    for path, answer in page.items():
        kind = "html" if path == PAGE else path.rpartition(".")[2]
        assert (answer.status, answer.values(b"content-type")) == (200, [MEDIA_TYPES[kind]])
    assert get(client, "/_proxy").body == page[PAGE].body
    assert upstream.requests == []


def test_every_file_is_confined(client: RawClient) -> None:
    for answer in loaded(client).values():
        (policy,) = answer.values(b"content-security-policy")
        rules = dict(rule.split(" ", 1) for rule in policy.decode().split("; "))

        assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
        assert {rules[kind] for kind in ("script-src", "style-src", "connect-src", "img-src")} == {
            "'self'"
        }
        assert (rules["require-trusted-types-for"], rules["trusted-types"]) == (
            "'script'",
            "'none'",
        )
        assert answer.values(b"referrer-policy") == [b"no-referrer"]
        assert answer.values(b"x-content-type-options") == [b"nosniff"]
        assert answer.values(b"cache-control") == [b"no-store"]


def test_nothing_of_it_would_break_its_own_confinement(client: RawClient) -> None:
    page = Elements(get(client, PAGE).body.decode())

    assert page.inline == ""
    assert [name for name, _ in page.attributes if name.startswith("on") or name == "style"] == []
    assert {url for url in page.values("src", "href") if not url.startswith(("/_proxy/", "#"))} == (
        set()
    )


def test_strangers_are_asked_for_a_key_and_shown_nothing(
    client: RawClient, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(PROXY_API_KEYS=KEY.decode(), K_SERVICE="openai-proxy")
    password = (b"Authorization", b"Basic " + base64.b64encode(b"anybody:" + KEY))

    for path in loaded(client):
        with connected(proxy.address) as stranger:
            refused = stranger.ask(b"GET", path.encode())
            opened = stranger.ask(b"GET", path.encode(), [password])

        assert (refused.status, json.loads(refused.body)["error"]["code"]) == (401, "unauthorized")
        assert refused.values(b"www-authenticate") == [
            b'Basic realm="openai-proxy", charset="UTF-8"'
        ]
        assert opened.status == 200


@pytest.mark.parametrize(
    "sign",
    [
        (b"X-Forwarded-For", b"203.0.113.7"),
        (b"Host", b"evil.example"),
        (b"Sec-Fetch-Site", b"cross-site"),
    ],
)
def test_whoever_only_seems_to_be_on_this_machine_is_a_stranger(
    proxy: RunningProxy, sign: tuple[bytes, bytes]
) -> None:
    with connected(proxy.address) as client:
        assert client.ask(b"GET", PAGE.encode(), [sign]).status == 401
