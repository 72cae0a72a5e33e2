"""Whose key a WebSocket travels with, and where no key of a WebSocket is ever written."""

import json

import pytest
from tests.raw_client import connected
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import ScriptedUpstream, answer, close, receive, send
from tests.websocket_client import handshake, websocket
from tests.websocket_upstream import WebSocketUpstream, dies

SERVER_KEY = "sk-canary-server"
PROXY_KEY = "canary-proxy"
OWN_SUBPROTOCOLS = ["realtime", "openai-insecure-api-key.sk-canary-own"]


@pytest.fixture(scope="module")
def lending(start_proxy: StartProxy, _the_realtime_upstream: WebSocketUpstream) -> RunningProxy:
    return start_proxy(UPSTREAM_BASE_URL=_the_realtime_upstream.url, OPENAI_API_KEY=SERVER_KEY)


@pytest.fixture(scope="module")
def guarded(start_proxy: StartProxy, _the_realtime_upstream: WebSocketUpstream) -> RunningProxy:
    return start_proxy(
        UPSTREAM_BASE_URL=_the_realtime_upstream.url,
        OPENAI_API_KEY=SERVER_KEY,
        PROXY_API_KEYS=PROXY_KEY,
    )


def _code_of_refusal(proxy: RunningProxy, *headers: tuple[bytes, bytes]) -> tuple[int, str]:
    with connected(proxy.address) as client:
        client.send(handshake(headers=headers))
        got = client.receive_answer()
    return got.status, json.loads(got.body)["error"]["code"]


class TestTheServersKey:
    def test_is_lent_to_a_caller_on_this_machine(
        self, lending: RunningProxy, realtime: WebSocketUpstream
    ) -> None:
        with websocket(lending):
            session = realtime.next_session()

        assert session.values("Authorization") == [f"Bearer {SERVER_KEY}"]

    def test_is_not_lent_to_one_that_brings_its_own(
        self, lending: RunningProxy, realtime: WebSocketUpstream
    ) -> None:
        with websocket(lending, headers={"Authorization": "Bearer sk-own"}):
            assert realtime.next_session().values("Authorization") == ["Bearer sk-own"]

    def test_is_not_lent_to_one_that_brings_its_own_in_a_subprotocol(
        self, lending: RunningProxy, realtime: WebSocketUpstream
    ) -> None:
        with websocket(lending, subprotocols=OWN_SUBPROTOCOLS):
            session = realtime.next_session()

        assert session.values("Authorization") == []
        assert session.values("Sec-WebSocket-Protocol") == [", ".join(OWN_SUBPROTOCOLS)]

    @pytest.mark.parametrize(
        "sign",
        [
            (b"Origin", b"https://evil.example"),
            (b"X-Forwarded-For", b"10.0.0.1"),
            (b"Sec-Fetch-Site", b"cross-site"),
        ],
    )
    def test_is_not_lent_to_a_caller_from_farther_off(
        self, lending: RunningProxy, sign: tuple[bytes, bytes]
    ) -> None:
        assert _code_of_refusal(lending, sign) == (401, "unauthorized")


class TestTheProxysKeys:
    def test_are_exchanged_for_the_servers(
        self, guarded: RunningProxy, realtime: WebSocketUpstream
    ) -> None:
        with websocket(guarded, headers={"Authorization": f"Bearer {PROXY_KEY}"}):
            session = realtime.next_session()

        assert session.values("Authorization") == [f"Bearer {SERVER_KEY}"]

    def test_stand_beside_the_callers_own(
        self, guarded: RunningProxy, realtime: WebSocketUpstream
    ) -> None:
        fields = {"X-Proxy-Api-Key": PROXY_KEY, "Authorization": "Bearer sk-own"}
        with websocket(guarded, headers=fields):
            session = realtime.next_session()

        assert session.values("Authorization") == ["Bearer sk-own"]
        assert session.values("X-Proxy-Api-Key") == []

    def test_are_wanted_of_everyone(self, guarded: RunningProxy) -> None:
        assert _code_of_refusal(guarded) == (401, "unauthorized")
        assert _code_of_refusal(guarded, (b"Authorization", b"Bearer other")) == (
            401,
            "unauthorized",
        )


CANARIES = [
    (b"Authorization", b"Bearer sk-canary-authorization"),
    (b"Api-Key", b"canary-api-key"),
    (b"Cookie", b"session=canary-cookie"),
    (b"Sec-WebSocket-Protocol", b"realtime, openai-insecure-api-key.canary-subprotocol"),
]
# Quotes and brackets may stand in a query, and end what a careless pattern takes for one.
SECRET_TARGET = b"/v1/realtime?model=\"&key='canary-query&other=[canary-other]"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_key_of_a_websocket_is_found_in_any_output(
    start_proxy: StartProxy,
    upstream: ScriptedUpstream,
    realtime: WebSocketUpstream,
    log_format: str,
) -> None:
    settings = {
        "OPENAI_API_KEY": SERVER_KEY,
        "LOG_FORMAT": log_format,
        "COMPRESSION_RATIO": "2",
        "COMPRESSION_ENDPOINTS": "responses",
    }
    proxy = start_proxy(UPSTREAM_BASE_URL=realtime.url, **settings)
    other = start_proxy(**settings)
    realtime.answer_headers.append(("Set-Cookie", "canary-set-cookie"))

    _open_and_leave(proxy, handshake(SECRET_TARGET, CANARIES))
    _open_and_leave(proxy, handshake(b"/v1/responses?canary-query", CANARIES))
    realtime.plays(dies)
    _open_and_leave(proxy, handshake(SECRET_TARGET, CANARIES))
    _open_and_leave(proxy, handshake(SECRET_TARGET))
    _open_and_leave(proxy, handshake(SECRET_TARGET, [*CANARIES, (b"Origin", b"canary-origin")] * 2))
    _open_and_leave(proxy, handshake(b"/v1/../realtime", CANARIES))
    upstream.plays(receive(), answer(401, [(b"Set-Cookie", b"canary")], b"canary-answer"))
    _open_and_leave(other, handshake(SECRET_TARGET, CANARIES))
    upstream.plays(receive(), send(b"canary-garbage\r\n"), close())
    _open_and_leave(other, handshake(SECRET_TARGET, CANARIES))

    for written in (_everything_written_by(proxy), _everything_written_by(other)):
        assert "/v1/realtime" in written
        assert "canary" not in written


def _open_and_leave(proxy: RunningProxy, handshake_bytes: bytes) -> None:
    with connected(proxy.address) as client:
        client.send(handshake_bytes)
        client.receive_head()


def _everything_written_by(proxy: RunningProxy) -> str:
    proxy.terminate()
    files = [path for path in proxy.directory.iterdir() if path.is_file()]
    return "".join(path.read_text() for path in files)
