"""What the relays do at their ports: what goes upstream, what is closed, what the log is told.

ASGI messages come in and fakes stand behind the ports; what only sockets show
is tested over sockets.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import evolve, field, frozen, mutable
from dependency_injector import providers
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import (
    FakeCompressor,
    FakeLog,
    FakeUpstream,
    FakeUpstreamWebSocket,
    FakeUpstreamWebSockets,
)

from openai_proxy.adapters.inbound.asgi import Application, Message, Scope
from openai_proxy.adapters.inbound.exchange import RelaySettings
from openai_proxy.adapters.inbound.relay import Relay
from openai_proxy.adapters.inbound.traffic import Traffic
from openai_proxy.adapters.inbound.websocket_relay import WebSocketRelay
from openai_proxy.app import create_app
from openai_proxy.app.container import Container
from openai_proxy.app.settings import Settings
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.control.policy import CompressionPolicy
from openai_proxy.domain.errors import UpstreamTimeout, UpstreamUnreachable
from openai_proxy.domain.http.access import AccessPolicy
from openai_proxy.domain.http.websockets import Close
from openai_proxy.domain.ports import HandshakeRefused, UpstreamRequest

SETTINGS = RelaySettings(base_path=b"/v1", via=b"test")
HALVING = evolve(
    SETTINGS,
    policy=CompressionPolicy(
        KeepRatio.from_compression_ratio(2), endpoints=frozenset({"chat", "responses"})
    ),
)
WORDS = "one two three four five six seven eight nine ten"
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": WORDS}]}
EVENT = json.dumps({"type": "response.create", "input": WORDS})


@mutable
class Client:
    """A client: the messages it sends, after which it waits, and those it got."""

    messages: list[Message]
    got: list[Message] = field(factory=list[Message])

    async def receive(self) -> Message:
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        self.got.append(message)


@mutable
class WebSocketClient(Client):
    """As every client of a WebSocket, it waits for consent before it speaks."""

    has_consent: asyncio.Event = field(factory=asyncio.Event)

    async def receive(self) -> Message:
        await self.has_consent.wait()
        return await super().receive()

    async def send(self, message: Message) -> None:
        await super().send(message)
        self.has_consent.set()


def scope(path: bytes = b"/v1/chat/completions", **changes: Any) -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "path": path.decode(),
        "raw_path": path,
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"transfer-encoding", b"chunked"),
            (b"authorization", b"Bearer sk-own"),
        ],
        "client": ("127.0.0.1", 50000),
        "http_version": "1.1",
        **changes,
    }


def piece(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


LEAVES: Message = {"type": "http.disconnect"}


def relayed(
    client: Client,
    upstream: FakeUpstream,
    log: FakeLog,
    settings: RelaySettings = SETTINGS,
    request: Scope | None = None,
) -> None:
    """Have one request relayed to its end."""
    traffic = Traffic()
    relay = Relay(upstream=upstream, **beside(log, traffic, settings))

    asyncio.run(called(relay, request or scope(), client))

    assert traffic.in_flight == 0


def beside(log: FakeLog, traffic: Traffic, settings: RelaySettings) -> dict[str, Any]:
    """What both relays are given beside their upstream."""
    return {
        "settings": settings,
        "access": AccessPolicy(),
        "compression": FakeCompressor(),
        "log": log,
        "traffic": traffic,
    }


async def called(application: Application, request: Scope, client: Client) -> None:
    async with asyncio.timeout(10):
        await application(request, client.receive, client.send)


class TestWhatGoesUpstream:
    @given(chunks=st.lists(st.binary(max_size=9)), answer=st.lists(st.binary(max_size=9)))
    def test_it_is_what_the_client_sent_and_the_answer_comes_back_chunk_by_chunk(
        self, chunks: list[bytes], answer: list[bytes]
    ) -> None:
        client = Client([*(piece(chunk, more=True) for chunk in chunks), piece(b"")])
        upstream = FakeUpstream(answer, 201, [(b"X-Answer", b"1")])

        relayed(client, upstream, FakeLog(), request=scope(b"/v1/files", query_string=b"a=%2F"))

        assert upstream.sent == [
            UpstreamRequest(
                method="POST",
                target=b"/v1/files?a=%2F",
                headers=[(b"authorization", b"Bearer sk-own"), (b"via", b"1.1 test")],
                body=b"".join(chunks),
            )
        ]
        start, *body = client.got
        assert (start["status"], start["headers"]) == (201, [(b"x-answer", b"1")])
        assert [part["body"] for part in body] == [*answer, b""]

    def test_a_chat_is_compressed_first_and_the_log_gets_to_see_how(self) -> None:
        client = Client([piece(json.dumps(CHAT).encode())])
        upstream, log = FakeUpstream(), FakeLog()

        relayed(client, upstream, log, HALVING)

        ((request_id, compressed),) = log.compressions
        assert upstream.sent[0].body == compressed.body
        assert compressed.tokens_billed < compressed.tokens_before
        assert log.requests[0].request_id == request_id
        assert log.requests[0].compression is compressed


@frozen
class Ending:
    """A way a request can end, and what the log is to be told of it."""

    told: tuple[int | None, bool, str | None]
    """The status, whether the answer was complete, and the error."""
    client: Sequence[Message] = (piece(b"{}"),)
    upstream: Callable[[], FakeUpstream] = FakeUpstream
    settings: RelaySettings = SETTINGS
    path: bytes = b"/v1/files"


ENDINGS = {
    "answered": Ending((200, True, None)),
    "answered with an error of the upstream's": Ending(
        (429, True, None), upstream=lambda: FakeUpstream(status=429)
    ),
    "refused for its target": Ending((400, True, "bad_request"), path=b"/v1/../admin"),
    "refused for its size": Ending(
        (413, True, "request_too_large"), settings=evolve(SETTINGS, max_request_bytes=1)
    ),
    "refused for want of room": Ending(
        (503, True, "overloaded"), settings=evolve(SETTINGS, max_concurrency=0)
    ),
    "without an upstream": Ending(
        (502, True, "upstream_unreachable"),
        upstream=lambda: FakeUpstream(refusal=UpstreamUnreachable("It is not there.")),
    ),
    "broken off by the upstream": Ending(
        (200, False, "upstream_timeout"),
        upstream=lambda: FakeUpstream([b"{", UpstreamTimeout("It fell silent.")]),
    ),
    "left while the body came in": Ending(
        (None, False, None), client=[piece(b"{", more=True), LEAVES]
    ),
    "left during the answer": Ending(
        (200, False, None),
        client=[piece(b"{}"), LEAVES],
        upstream=lambda: FakeUpstream(falls_silent=True),
    ),
    "failed for a reason nobody thought of": Ending(
        (500, True, "internal_error"), upstream=lambda: FakeUpstream(refusal=ZeroDivisionError())
    ),
}


class TestHoweverARequestEnds:
    @pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
    def test_the_log_is_told_once_and_the_upstream_is_closed(self, ending: Ending) -> None:
        client, upstream, log = Client([*ending.client]), ending.upstream(), FakeLog()

        relayed(client, upstream, log, ending.settings, scope(ending.path))

        assert [(told.status, told.complete, told.error) for told in log.requests] == [ending.told]
        assert upstream.open_exchanges == 0

    def test_so_too_when_the_server_cancels_it_which_it_is_not_kept_from(self) -> None:
        client = Client([piece(b"{}")])
        upstream, log = FakeUpstream(falls_silent=True), FakeLog()

        async def cancelled() -> None:
            relay = Relay(upstream=upstream, **beside(log, Traffic(), SETTINGS))
            task = asyncio.create_task(called(relay, scope(), client))
            await upstream.is_silent.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())

        assert [(told.status, told.complete) for told in log.requests] == [(200, False)]
        assert upstream.open_exchanges == 0


@frozen
class SessionEnding:
    """A way a WebSocket can end, and what the log is to be told of it."""

    told: tuple[int | None, bool, str | None]
    client: Sequence[Message] = ()
    upstream: Callable[[], FakeUpstreamWebSockets] = FakeUpstreamWebSockets


def opening(*lines: str | bytes | Close | Exception) -> Callable[[], FakeUpstreamWebSockets]:
    return lambda: FakeUpstreamWebSockets(FakeUpstreamWebSocket([*lines]))


def refusing(refusal: Exception) -> Callable[[], FakeUpstreamWebSockets]:
    return lambda: FakeUpstreamWebSockets(refusal=refusal)


SESSION_ENDINGS = {
    "closed by the upstream": SessionEnding((101, True, None), upstream=opening(Close())),
    "closed by the client": SessionEnding(
        (101, True, None), client=[{"type": "websocket.disconnect", "code": 1000}]
    ),
    "dropped by the client": SessionEnding(
        (101, False, None), client=[{"type": "websocket.disconnect", "code": 1006}]
    ),
    "broken off by the upstream": SessionEnding(
        (101, False, "upstream_timeout"), upstream=opening(UpstreamTimeout("It fell silent."))
    ),
    "refused by the upstream": SessionEnding(
        (403, True, None), upstream=refusing(HandshakeRefused(403, [], b"no"))
    ),
    "without an upstream": SessionEnding(
        (502, True, "upstream_unreachable"), upstream=refusing(UpstreamUnreachable("Not there."))
    ),
    "failed for a reason nobody thought of": SessionEnding(
        (500, True, "internal_error"), upstream=refusing(ZeroDivisionError())
    ),
}


def relayed_session(client: Client, upstream: FakeUpstreamWebSockets, log: FakeLog) -> None:
    """Have one WebSocket relayed to its end."""
    traffic = Traffic()
    relay = WebSocketRelay(upstream=upstream, **beside(log, traffic, HALVING))
    handshake = scope(b"/v1/responses", type="websocket", subprotocols=["realtime"])
    del handshake["method"]

    asyncio.run(called(relay, handshake, client))

    assert traffic.in_flight == 0


class TestHoweverAWebSocketEnds:
    @pytest.mark.parametrize("ending", SESSION_ENDINGS.values(), ids=SESSION_ENDINGS.keys())
    def test_the_log_is_told_once_and_the_upstream_is_closed(self, ending: SessionEnding) -> None:
        client, upstream, log = WebSocketClient([*ending.client]), ending.upstream(), FakeLog()

        relayed_session(client, upstream, log)

        assert [(told.status, told.complete, told.error) for told in log.requests] == [ending.told]
        assert upstream.open_sessions == 0

    def test_what_was_compressed_until_then_is_told_with_it(self) -> None:
        client = WebSocketClient(
            [
                {"type": "websocket.receive", "text": EVENT},
                {"type": "websocket.disconnect", "code": 1000},
            ]
        )
        upstream, log = FakeUpstreamWebSockets(), FakeLog()

        relayed_session(client, upstream, log)

        ((_, compressed),) = log.compressions
        assert upstream.socket.sent == [compressed.body.decode()]
        assert upstream.socket.closed_with == Close()
        assert log.requests[0].compression is not None
        assert log.requests[0].compression.tokens_billed == compressed.tokens_billed


def test_the_whole_application_speaks_to_whatever_stands_behind_its_ports_and_closes_it() -> None:
    upstream, log = FakeUpstream([b"pong"]), FakeLog()
    application = create_app(
        Container(
            settings=Settings(upstream_base_url="http://upstream/v1"),
            upstream=providers.Object(upstream),
            compression=providers.Object(FakeCompressor()),
            log=providers.Object(log),
        )
    )
    client = Client([piece(b"ping")])
    server = Client([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def one_request_in_a_life() -> None:
        await called(application, scope(b"/v1/files"), client)
        await called(application, {"type": "lifespan"}, server)

    asyncio.run(one_request_in_a_life())

    assert [request.body for request in upstream.sent] == [b"ping"]
    assert [message["body"] for message in client.got[1:]] == [b"pong", b""]
    assert [told.path for told in log.requests] == ["/v1/files"]
    assert (upstream.times_closed, log.times_closed) == (1, 1)
