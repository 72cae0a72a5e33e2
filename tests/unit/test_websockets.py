"""What a WebSocket's end on one side means for the other."""

from hypothesis import example, given
from hypothesis import strategies as st

from openai_proxy.domain.errors import (
    Overloaded,
    ProxyError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from openai_proxy.domain.http.headers import accept_headers, handshake_headers, request_headers
from openai_proxy.domain.http.request_head import RequestHead
from openai_proxy.domain.http.target import compressible_frames
from openai_proxy.domain.http.websockets import (
    BROKEN_OFF,
    MAX_REASON_BYTES,
    NO_CODE,
    NORMAL,
    Close,
    close_for,
)

VIA = b"openai-proxy-0123456789ab"
HANDSHAKE = [
    b"sec-websocket-accept",
    b"sec-websocket-extensions",
    b"sec-websocket-key",
    b"sec-websocket-protocol",
    b"sec-websocket-version",
]

codes_of_frames = st.integers(1000, 4999).filter(lambda code: code not in (NO_CODE, BROKEN_OFF))
names = st.sampled_from([*HANDSHAKE, b"upgrade", b"connection", b"authorization", b"x-a", b"date"])
fields = st.lists(st.tuples(names, st.sampled_from([b"", b"1", b"x-a"])))


class TestPassingOnAClose:
    @given(codes_of_frames, st.text(max_size=30))
    def test_a_code_and_its_reason_travel_on(self, code: int, reason: str) -> None:
        assert Close(code, reason).to_pass_on == Close(code, reason)

    def test_a_missing_code_becomes_an_ordinary_end(self) -> None:
        assert Close(NO_CODE).to_pass_on == Close(NORMAL)

    def test_only_an_end_without_a_frame_is_broken_off(self) -> None:
        assert [code for code in range(1000, 5000) if Close(code).is_broken_off] == [BROKEN_OFF]


class TestTellingOfAnError:
    def test_what_went_wrong_upstream_is_a_bad_gateway(self) -> None:
        for error in (UpstreamUnreachable, UpstreamProtocolError, UpstreamTimeout):
            assert close_for(error("It broke off.")) == Close(1014, "It broke off.")

    def test_anything_else_is_an_internal_error(self) -> None:
        assert close_for(Overloaded("Too much.")) == Close(1011, "Too much.")

    @given(st.text())
    @example("x" * MAX_REASON_BYTES + "y")
    @example("é" * MAX_REASON_BYTES)
    def test_the_reason_is_as_much_of_the_message_as_a_frame_holds(self, message: str) -> None:
        reason = close_for(ProxyError(message)).reason

        assert message.startswith(reason)
        assert len(reason.encode()) <= MAX_REASON_BYTES
        assert reason == message or len(reason.encode()) > MAX_REASON_BYTES - 4


class TestTheHandshakesFields:
    @given(fields)
    def test_a_request_loses_those_of_this_hops_handshake(
        self, headers: list[tuple[bytes, bytes]]
    ) -> None:
        head = RequestHead("GET", b"/", b"", headers)

        kept = handshake_headers(head, via=VIA)

        assert kept == [
            field for field in request_headers(head, via=VIA) if field[0] not in HANDSHAKE
        ]

    @given(fields)
    def test_an_answer_keeps_all_but_those_and_its_framing(
        self, headers: list[tuple[bytes, bytes]]
    ) -> None:
        named = {value for name, value in headers if name == b"connection"}
        gone = {*HANDSHAKE, b"upgrade", b"connection", b"content-length", *named}
        length = [(b"Content-Length", b"0")]

        assert accept_headers([*headers, *length]) == [
            field for field in headers if field[0] not in gone
        ]


def test_only_the_responses_endpoint_carries_requests_in_frames() -> None:
    assert compressible_frames(b"/v1/responses") == compressible_frames(b"/responses")
    assert compressible_frames(b"/v1/responses") == "responses"
    for path in (b"/v1/realtime", b"/v1/responses/", b"/v1/responses/r", b"/v1/chat/completions"):
        assert compressible_frames(path) is None
