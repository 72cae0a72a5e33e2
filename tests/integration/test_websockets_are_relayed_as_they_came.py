"""Messages, subprotocols, header fields and pings of a WebSocket, in both directions."""

import json
from pathlib import Path

import pytest
from openai import OpenAI
from tests.certificates import Authority
from tests.raw_client import connected
from tests.running_proxy import RunningProxy, StartProxy
from tests.websocket_client import shake_hands, websocket
from tests.websocket_upstream import Session, WebSocketUpstream, say_nothing, says
from websockets.typing import Data

MIB = 1024 * 1024

MESSAGES: dict[str, Data] = {
    "text": '{"type": "session.update"}',
    "empty text": "",
    "text beyond ASCII": "naïve 漢字 👩‍👩‍👧 \x00\x7f",
    "binary": bytes(range(256)),
    "empty binary": b"",
    "16 MiB of text": "x" * (16 * MIB),
    "16 MiB of binary": bytes(16 * MIB),
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_a_message_arrives_as_it_was_sent_in_both_directions(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream, message: Data
) -> None:
    with websocket(realtime_proxy) as client:
        client.send(message)

        assert client.recv() == message
    assert realtime.next_session().received == [message]


def test_the_order_of_messages_is_kept(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    sent: list[Data] = [str(n) if n % 3 else bytes([n % 256]) * n for n in range(500)]
    with websocket(realtime_proxy) as client:
        for message in sent:
            client.send(message)

        assert [client.recv() for _ in sent] == sent
    assert realtime.next_session().received == sent


def test_a_fragmented_message_is_relayed_whole(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    async def speak_in_fragments(session: Session) -> None:
        await session.receive()
        await session.send(["re", "sp", "onse"])
        await session.send([b"\xff", b"\x00"])

    realtime.plays(speak_in_fragments)
    with websocket(realtime_proxy) as client:
        client.send(["re", "qu", "est"])

        assert (client.recv(), client.recv()) == ("response", b"\xff\x00")
    assert realtime.next_session().received == ["request"]


def test_a_binary_message_of_text_stays_binary(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    with websocket(realtime_proxy) as client:
        client.send(b"{}")

        assert client.recv() == b"{}"
    assert realtime.next_session().received == [b"{}"]


def test_the_upstream_may_speak_first(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    realtime.plays(says("session.created"))
    with websocket(realtime_proxy) as client:
        assert client.recv() == "session.created"


def test_an_upstream_behind_tls_is_spoken_to_in_the_same_way(
    start_proxy: StartProxy, tmp_path: Path
) -> None:
    authority = Authority.made_in(tmp_path)
    with WebSocketUpstream(tls=authority.for_servers()) as upstream:
        proxy = start_proxy(
            UPSTREAM_BASE_URL=upstream.url, SSL_CERT_FILE=str(authority.certificate)
        )
        with websocket(proxy) as client:
            client.send("x" * MIB)

            assert client.recv() == "x" * MIB


def test_each_hop_answers_its_own_pings(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    async def ping(session: Session) -> None:
        await (await session.connection.ping())
        await session.send("answered")

    realtime.plays(ping)
    with websocket(realtime_proxy) as client:
        assert client.recv() == "answered"
        assert client.ping().wait(5)


def test_a_ping_is_answered_while_the_upstream_takes_no_messages(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    realtime.plays(say_nothing)
    with websocket(realtime_proxy) as client:
        client.send("nobody takes this")

        assert client.ping().wait(5)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/realtime?model=gpt-realtime&model=&x=%22%zz+",
        "/v1/responses",
        "/v1/realtime/calls/rtc_%2F//x;y",
        "/v1/anything/else",
    ],
)
def test_path_and_query_travel_byte_for_byte(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream, target: str
) -> None:
    with websocket(realtime_proxy, target):
        assert realtime.next_session().target == target


@pytest.mark.parametrize(
    "target", [b'/v1/realtime/"<>|^`{}?q="<>|\'[]^`{}\\', b"/v1/realtime?", b"/v1/realtime??"]
)
def test_a_target_that_libraries_would_spell_anew_travels_as_it_is(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream, target: bytes
) -> None:
    with connected(realtime_proxy.address) as client:
        shake_hands(client, target)

        assert realtime.next_session().target == target.decode()


def test_a_target_without_the_api_version_reaches_the_same_place(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    with websocket(realtime_proxy, "/realtime?model=m"):
        assert realtime.next_session().target == "/v1/realtime?model=m"


def test_header_fields_reach_the_upstream_in_order_with_duplicates(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    sent = [
        ("authorization", "Bearer sk-own"),
        ("openai-beta", "realtime=v1"),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("x-latin", "caf\xe9"),
        ("origin", "https://app.example"),
    ]
    with websocket(realtime_proxy, headers=sent):
        arrived = realtime.next_session().headers

    assert [field for field in arrived if field[0] in dict(sent)] == sent
    added = {name.lower() for name, _ in arrived} - dict(sent).keys() - {"user-agent"}
    assert added == {
        "host",
        "upgrade",
        "connection",
        "sec-websocket-key",
        "sec-websocket-version",
        "via",
    }


def test_platform_and_control_fields_stay_here(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    fields = {"X-Forwarded-For": "10.0.0.1", "X-Compression": "off", "Cookie": "a=b"}
    with websocket(realtime_proxy, headers=fields):
        names = {name.lower() for name, _ in realtime.next_session().headers}

    assert names & {"x-forwarded-for", "x-compression", "cookie"} == {"cookie"}


def test_the_upstreams_header_fields_come_back_with_its_consent(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    realtime.answer_headers += [
        ("X-Request-Id", "req_1"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("X-Latin", "caf\xe9"),
    ]
    with websocket(realtime_proxy) as client:
        assert client.response is not None
        answered = client.response.headers

    assert answered["x-request-id"] == "req_1"
    assert answered.get_all("set-cookie") == ["a=1", "b=2"]
    assert answered["x-latin"] == "caf\xe9"
    assert len(answered.get_all("date")) == 1
    assert len(answered.get_all("sec-websocket-accept")) == 1
    assert "server" not in answered


def test_the_upstream_chooses_among_the_clients_subprotocols(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    offered = ["openai-beta.realtime-v1", "realtime", "openai-insecure-api-key.sk-own"]
    with websocket(realtime_proxy, subprotocols=offered) as client:
        session = realtime.next_session()

        assert session.values("Sec-WebSocket-Protocol") == [", ".join(offered)]
        assert client.subprotocol == session.connection.subprotocol == "realtime"


def test_no_subprotocol_is_chosen_where_the_upstream_chooses_none(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    with websocket(realtime_proxy, subprotocols=["other"]) as client:
        assert client.subprotocol is None
    assert realtime.next_session().values("Sec-WebSocket-Protocol") == ["other"]


def test_no_extension_is_agreed_on_with_either_side(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    with websocket(realtime_proxy) as client:
        assert client.request is not None
        assert client.response is not None
        assert "permessage-deflate" in client.request.headers["Sec-WebSocket-Extensions"]
        assert "Sec-WebSocket-Extensions" not in client.response.headers
    assert realtime.next_session().values("Sec-WebSocket-Extensions") == []


as_the_openai_client_connects = pytest.mark.filterwarnings(
    # It uses `websockets` in a way that the library has come to discourage.
    r"ignore:connect\(\) must be used as a context manager:DeprecationWarning"
)


@as_the_openai_client_connects
def test_the_openai_client_holds_a_realtime_session(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    async def speak(session: Session) -> None:
        await session.send(json.dumps({"type": "session.created", "session": {}}))
        await session.receive()
        await session.send(json.dumps({"type": "response.done", "event_id": "event_2"}))

    realtime.plays(speak)
    with (
        OpenAI(api_key="sk-own", base_url=f"{realtime_proxy.url}/v1") as openai,
        openai.realtime.connect(model="gpt-realtime") as connection,
    ):
        first = connection.recv()
        connection.response.create()
        second = connection.recv()

    session = realtime.next_session()
    assert (first.type, second.type) == ("session.created", "response.done")
    assert session.target == "/v1/realtime?model=gpt-realtime"
    assert session.values("Authorization") == ["Bearer sk-own"]
    assert json.loads(session.received[0]) == {"type": "response.create"}


@as_the_openai_client_connects
def test_the_openai_client_asks_for_responses(
    realtime_proxy: RunningProxy, realtime: WebSocketUpstream
) -> None:
    async def answer(session: Session) -> None:
        await session.receive()
        await session.send(json.dumps({"type": "response.completed", "sequence_number": 1}))

    realtime.plays(answer)
    with (
        OpenAI(api_key="sk-own", base_url=f"{realtime_proxy.url}/v1") as openai,
        openai.responses.connect() as connection,
    ):
        connection.response.create(model="gpt-5", input="Say hello.")
        got = connection.recv()

    session = realtime.next_session()
    assert got.type == "response.completed"
    assert session.target == "/v1/responses"
    assert json.loads(session.received[0])["input"] == "Say hello."
