"""A silent event stream speaks if, and only if, the operator asked for it."""

import pytest
from tests.raw_client import RawClient, connected, request
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import (
    CHUNKED,
    EVENT_STREAM,
    ScriptedUpstream,
    chunk,
    end_of_chunks,
    head,
    pause,
    receive,
)
from tests.upstream_exchange import Headers

ASK = request(b"POST", b"/v1/responses", body=b"{}")
COMMENT = b": keep-alive\n\n"


@pytest.fixture(scope="module")
def talking_proxy(start_proxy: StartProxy) -> RunningProxy:
    return start_proxy(SSE_KEEPALIVE_S="0.2")


def stream_with_a_silence(
    client: RawClient, upstream: ScriptedUpstream, fields: Headers, before: bytes, after: bytes
) -> bytes:
    upstream.plays(
        receive(), head(200, fields), chunk(before), pause(0.5), chunk(after), end_of_chunks()
    )
    client.send(ASK)
    _, headers = client.receive_head()
    return b"".join(client.pieces(headers))


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_a_silence_between_events_is_filled_with_comments(
    talking_proxy: RunningProxy, upstream: ScriptedUpstream, end: bytes
) -> None:
    before, after = b"data: 1" + end, b"data: 2" + end

    with connected(talking_proxy.address) as client:
        arrived = stream_with_a_silence(client, upstream, EVENT_STREAM, before, after)

    assert arrived.count(COMMENT) >= 1
    assert arrived.replace(COMMENT, b"") == before + after
    assert arrived.startswith(before)
    assert arrived.endswith(after)


def test_a_silence_inside_an_event_is_left_alone(
    talking_proxy: RunningProxy, upstream: ScriptedUpstream
) -> None:
    with connected(talking_proxy.address) as client:
        arrived = stream_with_a_silence(
            client, upstream, EVENT_STREAM, b"data: 1\n", b"data: 2\n\n"
        )

    assert arrived == b"data: 1\ndata: 2\n\n"


@pytest.mark.parametrize(
    "fields",
    [CHUNKED, [*EVENT_STREAM, (b"Content-Encoding", b"gzip")]],
    ids=["no event stream", "an encoded one"],
)
def test_other_answers_are_left_alone(
    talking_proxy: RunningProxy, upstream: ScriptedUpstream, fields: Headers
) -> None:
    with connected(talking_proxy.address) as client:
        arrived = stream_with_a_silence(client, upstream, fields, b"x\n\n", b"y\n\n")

    assert arrived == b"x\n\ny\n\n"


def test_nobody_speaks_by_default(client: RawClient, upstream: ScriptedUpstream) -> None:
    arrived = stream_with_a_silence(client, upstream, EVENT_STREAM, b"data: 1\n\n", b"data: 2\n\n")

    assert arrived == b"data: 1\n\ndata: 2\n\n"
